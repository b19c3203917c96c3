// One block for a token: its D/2 angles once, in double, and then all heads. Elements are on their way from memory while the
// angles are computed.
#include "ops/rope.h"

#include "ops/cuda/vector.cuh"

namespace poro {
namespace {

constexpr double kTurnsPerRadian = 0.15915494309189533577;
constexpr float kPi = 3.14159265358979f;

struct Turn {
  float cosine, sine;
};

// Of position * frequency: the whole turns are taken off in double, and what float drops of the rest is put back to first order.
__device__ __forceinline__ Turn turn_by(int position, double frequency, float sign) {
  const double turns = position * frequency * kTurnsPerRadian, half_turns = 2 * (turns - rint(turns));
  const float near = static_cast<float>(half_turns), rest = static_cast<float>(half_turns - near) * kPi;
  float sine, cosine;
  sincospif(near, &sine, &cosine);
  return {cosine - rest * sine, sign * (sine + rest * cosine)};
}

template <class T, int N>
__global__ void rope_kernel(T* x, const int32_t* positions, const double* frequencies, int num_heads, int half, float sign) {
  extern __shared__ Turn turns[];  // (half)
  T* token = x + static_cast<int64_t>(blockIdx.x) * num_heads * 2 * half;
  const int packs = half / N, items = num_heads * packs;  // An item is N pairs of a head.
  const auto low_of = [&](int item) { return token + item / packs * 2 * half + item % packs * N; };
  int item = static_cast<int>(threadIdx.x);
  Floats<N> low, high;
  if (item < items) low = load<N>(low_of(item)), high = load<N>(low_of(item) + half);
  for (int i = static_cast<int>(threadIdx.x); i < half; i += static_cast<int>(blockDim.x))
    turns[i] = turn_by(positions[blockIdx.x], frequencies[i], sign);
  __syncthreads();
  while (item < items) {
    const Turn* turn = turns + item % packs * N;
    T* at = low_of(item);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float a = low.v[i], b = high.v[i];
      low.v[i] = a * turn[i].cosine - b * turn[i].sine;
      high.v[i] = b * turn[i].cosine + a * turn[i].sine;
    }
    store<N>(at, low);
    store<N>(at + half, high);
    item += static_cast<int>(blockDim.x);
    if (item < items) low = load<N>(low_of(item)), high = load<N>(low_of(item) + half);
  }
}

}  // namespace

void run(Cuda& cuda, const Rope& op) {
  if (op.x.dim(0) == 0) return;
  const int num_heads = static_cast<int>(op.x.dim(1)), half = static_cast<int>(op.x.dim(2) / 2);
  const float sign = op.rotation == Rotation::kForward ? 1.0f : -1.0f;
  with_type<DType::kBF16, DType::kF32>(op.x.dtype, [&]<class T>() {
    const auto launch = [&]<int N>() {
      rope_kernel<T, N><<<static_cast<unsigned>(op.x.dim(0)), threads_of(num_heads * half / N, 256), static_cast<size_t>(half) * sizeof(Turn),
                          cuda.state().stream>>>(gpu_data<T>(op.x), gpu_data<int32_t>(op.positions), gpu_data<double>(op.frequencies),
                                                 num_heads, half, sign);
    };
    if (is_packed(half, 8, {op.x.data}))
      launch.template operator()<16 / sizeof(T)>();
    else
      launch.template operator()<1>();
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
