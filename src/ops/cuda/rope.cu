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

// Of position * frequency: the whole turns are taken off in double, and what float drops of the rest is put
// back to first order.
__device__ __forceinline__ Turn turn_by(int position, double frequency, float sign) {
  const double turns = position * frequency * kTurnsPerRadian, half_turns = 2 * (turns - rint(turns));
  const float near = static_cast<float>(half_turns), rest = static_cast<float>(half_turns - near) * kPi;
  float sine, cosine;
  sincospif(near, &sine, &cosine);
  return {cosine - rest * sine, sign * (sine + rest * cosine)};
}

constexpr int kThreads = 256;
constexpr int kHeads = 4;  // On their way at once.

struct RopeShape {
  int tokens, heads, half;
  int heads_each;  // Of a thread.
};

template <class T, int N>
__global__ void __launch_bounds__(kThreads, 3)
    rope_kernel(T* x, const int32_t* positions, const double* frequencies, RopeShape shape, float sign) {
  const int packs = shape.half / N, groups = (shape.heads + shape.heads_each - 1) / shape.heads_each;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int pack = static_cast<int>(thread % packs), group = static_cast<int>(thread / packs % groups);
  const int64_t token = thread / packs / groups;
  if (token >= shape.tokens) return;
  const int first = group * shape.heads_each, last = min(first + shape.heads_each, shape.heads);
  const auto low_of = [&](int head) { return x + (token * shape.heads + head) * 2 * shape.half + pack * N; };
  Turn turns[N];
  for (int begin = first; begin < last; begin += kHeads) {
    Pack<T, N> lows[kHeads], highs[kHeads];
#pragma unroll
    for (int j = 0; j < kHeads; ++j)
      if (begin + j < last)
        lows[j] = load_pack<N>(low_of(begin + j)), highs[j] = load_pack<N>(low_of(begin + j) + shape.half);
    if (begin == first) {
      const int position = positions[token];
#pragma unroll
      for (int i = 0; i < N; ++i) turns[i] = turn_by(position, frequencies[pack * N + i], sign);
    }
#pragma unroll
    for (int j = 0; j < kHeads; ++j) {
      if (begin + j >= last) continue;
      Floats<N> low = to_floats(lows[j]), high = to_floats(highs[j]);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const float a = low.v[i], b = high.v[i];
        low.v[i] = a * turns[i].cosine - b * turns[i].sine;
        high.v[i] = b * turns[i].cosine + a * turns[i].sine;
      }
      store<N>(low_of(begin + j), low);
      store<N>(low_of(begin + j) + shape.half, high);
    }
  }
}

}  // namespace

void run(Cuda& cuda, const Rope& op) {
  if (op.x.dim(0) == 0) return;
  // Few tokens leave threads to spare: then each takes fewer heads.
  constexpr int kManyTokens = 256;
  const RopeShape shape{.tokens = static_cast<int>(op.x.dim(0)),
                        .heads = static_cast<int>(op.x.dim(1)),
                        .half = static_cast<int>(op.x.dim(2) / 2),
                        .heads_each = op.x.dim(0) < kManyTokens ? kHeads : 2 * kHeads};
  const float sign = op.rotation == Rotation::kForward ? 1.0f : -1.0f;
  with_type<DType::kBF16, DType::kF32>(op.x.dtype, [&]<class T>() {
    const auto launch = [&]<int N>() {
      const int64_t groups = (shape.heads + shape.heads_each - 1) / shape.heads_each;
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
