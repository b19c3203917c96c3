// A thread turns the same few pairs of several heads, so that it computes their angles once, in double, while
// the elements are on their way from memory.
#include "ops/cuda/vector.cuh"
#include "ops/rope.h"

namespace poro {
namespace {

constexpr double kTurnsPerRadian = 0.15915494309189533577;
constexpr float kPi = 3.14159265358979f;

struct Turn {
  float cosine, sine;
};

// Of position * frequency; the whole turns are taken off in double. What float drops of the rest is put back
// to first order, unless the elements are bf16: for those the GPU's own sine is more than enough, at a tenth
// of the cost.
template <class T>
__device__ __forceinline__ Turn turn_by(int position, double frequency, float sign) {
  const double turns = position * frequency * kTurnsPerRadian, half_turns = 2 * (turns - rint(turns));
  const float near = static_cast<float>(half_turns);
  float sine, cosine;
  if constexpr (sizeof(T) == 2) {
    __sincosf(near * kPi, &sine, &cosine);
    return {cosine, sign * sine};
  }
  const float rest = static_cast<float>(half_turns - near) * kPi;
  sincospif(near, &sine, &cosine);
  return {cosine - rest * sine, sign * (sine + rest * cosine)};
}

constexpr int kThreads = 256;
constexpr int kHeads = 2;  // Of a thread.

struct RopeShape {
  int tokens, heads, half;
};

template <class T, int N>
__global__ void __launch_bounds__(kThreads, 4)
    rope_kernel(T* x, const int32_t* positions, const double* frequencies, RopeShape shape, float sign) {
  const int packs = shape.half / N, groups = (shape.heads + kHeads - 1) / kHeads;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int pack = static_cast<int>(thread % packs),
            first = static_cast<int>(thread / packs % groups) * kHeads;
  const int64_t token = thread / packs / groups;
  if (token >= shape.tokens) return;
  T* heads = x + (token * shape.heads + first) * 2 * shape.half +
             pack * N;  // Head j begins 2 * half further for each.
  Pack<T, N> lows[kHeads], highs[kHeads];
#pragma unroll
  for (int j = 0; j < kHeads; ++j)
    if (first + j < shape.heads) {
      lows[j] = load_pack<N>(heads + j * 2 * shape.half);
      highs[j] = load_pack<N>(heads + (j * 2 + 1) * shape.half);
    }
  const int position = positions[token];
  Turn turns[N];
#pragma unroll
  for (int i = 0; i < N; ++i) turns[i] = turn_by<T>(position, frequencies[pack * N + i], sign);
#pragma unroll
  for (int j = 0; j < kHeads; ++j) {
    if (first + j >= shape.heads) continue;
    Floats<N> low = to_floats(lows[j]), high = to_floats(highs[j]);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float a = low.v[i], b = high.v[i];
      low.v[i] = a * turns[i].cosine - b * turns[i].sine;
      high.v[i] = b * turns[i].cosine + a * turns[i].sine;
    }
    store<N>(heads + j * 2 * shape.half, low);
    store<N>(heads + (j * 2 + 1) * shape.half, high);
  }
}

}  // namespace

void run(Cuda& cuda, const Rope& op) {
  if (op.x.dim(0) == 0) return;
  const RopeShape shape{.tokens = static_cast<int>(op.x.dim(0)),
                        .heads = static_cast<int>(op.x.dim(1)),
                        .half = static_cast<int>(op.x.dim(2) / 2)};
  const float sign = op.rotation == Rotation::kForward ? 1.0f : -1.0f;
  with_type<DType::kBF16, DType::kF32>(op.x.dtype, [&]<class T>() {
    const auto launch = [&]<int N>() {
      const int64_t groups = (shape.heads + kHeads - 1) / kHeads;
      const unsigned blocks = blocks_of(shape.tokens * groups * (shape.half / N), kThreads);
      rope_kernel<T, N><<<blocks, kThreads, 0, cuda.state().stream>>>(
          gpu_data<T>(op.x), gpu_data<int32_t>(op.positions), gpu_data<double>(op.frequencies), shape, sign);
    };
    if (is_packed(shape.half, 8, {op.x.data}))
      launch.template operator()<16 / sizeof(T)>();
    else
      launch.template operator()<1>();
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
