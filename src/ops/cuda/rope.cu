// One block for a token: its D/2 angles once, in double, and then all heads. Elements are on their way from
// memory while the angles are computed.
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
constexpr int kItems = 4;  // Of a thread at once.

struct RopeShape {
  int tokens, heads, half;
};

// A block for `share` tokens. An item is N pairs of a head.
template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    rope_kernel(T* x, const int32_t* positions, const double* frequencies, RopeShape shape, int share,
                float sign) {
  extern __shared__ Turn turns[];  // (share, half)
  const int half = shape.half, first = static_cast<int>(blockIdx.x) * share, packs = half / N,
            token_items = shape.heads * packs;
  const int tokens = min(share, shape.tokens - first), items = tokens * token_items;
  const auto low_of = [&](int item) {
    return x + (static_cast<int64_t>(first) * shape.heads + item / packs) * 2 * half + item % packs * N;
  };
  for (int begin = static_cast<int>(threadIdx.x); begin - static_cast<int>(threadIdx.x) < items;
       begin += kThreads * kItems) {
    Pack<T, N> lows[kItems], highs[kItems];
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      const int item = begin + j * kThreads;
      if (item < items) lows[j] = load_pack<N>(low_of(item)), highs[j] = load_pack<N>(low_of(item) + half);
    }
    if (begin == static_cast<int>(threadIdx.x)) {
      for (int i = begin; i < tokens * half; i += kThreads)
        turns[i] = turn_by(positions[first + i / half], frequencies[i % half], sign);
      __syncthreads();
    }
#pragma unroll
    for (int j = 0; j < kItems; ++j) {
      const int item = begin + j * kThreads;
      if (item >= items) continue;
      const Turn* turn = turns + item / token_items * half + item % packs * N;
      Floats<N> low = to_floats(lows[j]), high = to_floats(highs[j]);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const float a = low.v[i], b = high.v[i];
        low.v[i] = a * turn[i].cosine - b * turn[i].sine;
        high.v[i] = b * turn[i].cosine + a * turn[i].sine;
      }
      store<N>(low_of(item), low);
      store<N>(low_of(item) + half, high);
    }
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
      // As many tokens as a block has hands for, but every multiprocessor gets some.
      const int full = kThreads * kItems * N / (shape.heads * shape.half);
      const int share = std::max(1, std::min(full, shape.tokens / cuda.state().num_multiprocessors()));
      rope_kernel<T, N>
          <<<blocks_of(shape.tokens, share), kThreads, static_cast<size_t>(share * shape.half) * sizeof(Turn),
             cuda.state().stream>>>(gpu_data<T>(op.x), gpu_data<int32_t>(op.positions),
                                    gpu_data<double>(op.frequencies), shape, share, sign);
    };
    if (is_packed(shape.half, 8, {op.x.data}))
      launch.template operator()<16 / sizeof(T)>();
    else
      launch.template operator()<1>();
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
