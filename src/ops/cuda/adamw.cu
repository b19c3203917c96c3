// The update in f32, corrections and factors in double, as on the CPU; what is bf16 and must not lose small
// steps is rounded by chance, with the CPU's random words.
#include <cmath>

#include "base/cuda/philox.cuh"
#include "ops/adamw.h"
#include "ops/cuda/vector.cuh"

namespace poro {
namespace {

constexpr int kThreads = 256;

struct Factors {
  float scale, eps, beta1, rest1, beta2, rest2, decay, rate, root_scale;
};

Factors factors_of(const AdamW& op) {
  const double steps = static_cast<double>(op.step);
  return {.scale = static_cast<float>(op.gradient_scale),
          .eps = static_cast<float>(op.eps),
          .beta1 = static_cast<float>(op.beta1),
          .rest1 = static_cast<float>(1.0 - op.beta1),
          .beta2 = static_cast<float>(op.beta2),
          .rest2 = static_cast<float>(1.0 - op.beta2),
          .decay = static_cast<float>(1.0 - op.learning_rate * op.weight_decay),
          .rate = static_cast<float>(op.learning_rate / (1.0 - std::pow(op.beta1, steps))),
          .root_scale = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(op.beta2, steps)))};
}

// round_by_chance of ops/stochastic_rounding.h, by `noise` of 16 bits.
__device__ __forceinline__ __nv_bfloat16 rounded_by_chance(float value, uint32_t noise) {
  const uint32_t bits = __float_as_uint(value) + (isfinite(value) ? noise : 0u);
  return __ushort_as_bfloat16(static_cast<unsigned short>(bits >> 16));
}

template <class T>
__device__ __forceinline__ T stored(float value, uint32_t noise) {
  if constexpr (sizeof(T) == 2)
    return rounded_by_chance(value, noise);
  else
    return value;
}

// To two units in the last place. Numbers that are not normal count as 0.
__device__ __forceinline__ float root(float value) {
  float result;
  asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
}
__device__ __forceinline__ float reciprocal(float value) {
  float result;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
}

template <class W, class G, class M>
struct AdamWTensors {
  W* weights;
  const G* gradient;
  M *first, *second;
  __nv_bfloat16* rounded;
  int64_t count;
  uint64_t seed;
  int64_t first_element, step;
};

template <class T, int N>
__device__ __forceinline__ Pack<T, N> load_up_to(const T* from, int64_t left) {
  if (left >= N) return load_pack<N>(from);
  Pack<T, N> result{};
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i < left) result.v[i] = from[i];
  return result;
}

template <class T, int N>
__device__ __forceinline__ void store_up_to(T* to, int64_t left, const Pack<T, N>& pack) {
  if (left >= N) {
    *reinterpret_cast<Pack<T, N>*>(to) = pack;
    return;
  }
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i < left) to[i] = pack.v[i];
}

// Elements at + [0, N). With N > 1 the first is even, because two elements share a draw of random numbers.
template <class W, class G, class M, int N>
__global__ void __launch_bounds__(kThreads, 4) adamw_kernel(AdamWTensors<W, G, M> t, Factors f) {
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N, left = t.count - at;
  if (left <= 0) return;
  Pack<W, N> weights = load_up_to<W, N>(t.weights + at, left);
  const Pack<G, N> gradients = load_up_to<G, N>(t.gradient + at, left);
  Pack<M, N> firsts = load_up_to<M, N>(t.first + at, left), seconds = load_up_to<M, N>(t.second + at, left);
  Pack<__nv_bfloat16, N> rounded;
  uint4 drawn{};
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const int64_t element = t.first_element + at + i;
    if (i % 2 == 0 && (sizeof(W) == 2 || sizeof(M) == 2))
      drawn = gpu_philox(t.seed, static_cast<uint64_t>(element) / 2, static_cast<uint64_t>(t.step));
    const bool is_odd = N > 1 ? i % 2 == 1 : element % 2 == 1;
    const uint32_t low = is_odd ? drawn.z : drawn.x, high = is_odd ? drawn.w : drawn.y;
    const float gradient = to_float(gradients.v[i]) * f.scale;
    const float first = f.beta1 * to_float(firsts.v[i]) + f.rest1 * gradient;
    const float second = f.beta2 * to_float(seconds.v[i]) + f.rest2 * gradient * gradient;
    const float step = f.rate * first * reciprocal(root(second) * f.root_scale + f.eps);
    const float weight = to_float(weights.v[i]) * f.decay - step;
    firsts.v[i] = stored<M>(first, low & 0xffffu);
    seconds.v[i] = stored<M>(second, low >> 16);
    weights.v[i] = stored<W>(weight, high & 0xffffu);
    rounded.v[i] = from_float<__nv_bfloat16>(to_float(weights.v[i]));
  }
  store_up_to(t.weights + at, left, weights);
  store_up_to(t.first + at, left, firsts);
  store_up_to(t.second + at, left, seconds);
  if (t.rounded != nullptr) store_up_to(t.rounded + at, left, rounded);
}

}  // namespace

void run(Cuda& cuda, const AdamW& op) {
  const int64_t count = op.weights.elements();
  if (count == 0) return;
  with_type<DType::kF32, DType::kBF16>(op.weights.dtype, [&]<class W>() {
    with_type<DType::kF32, DType::kBF16>(op.gradient.dtype, [&]<class G>() {
      with_type<DType::kF32, DType::kBF16>(op.first.dtype, [&]<class M>() {
        const AdamWTensors<W, G, M> tensors{.weights = gpu_data<W>(op.weights),
                                            .gradient = gpu_data<G>(op.gradient),
                                            .first = gpu_data<M>(op.first),
                                            .second = gpu_data<M>(op.second),
                                            .rounded = gpu_data<__nv_bfloat16>(op.rounded),
                                            .count = count,
                                            .seed = op.seed,
                                            .first_element = op.first_element,
                                            .step = op.step};
        const auto launch = [&]<int N>() {
          adamw_kernel<W, G, M, N>
              <<<blocks_of(count, kThreads * N), kThreads, 0, cuda.state().stream>>>(tensors, factors_of(op));
        };
        if (is_packed(0, 8,
                      {op.weights.data, op.gradient.data, op.first.data, op.second.data, op.rounded.data}))
          launch.template operator()<16 / sizeof(W)>();
        else
          launch.template operator()<1>();
      });
    });
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
