// The update in f32, corrections and factors in double, as on the CPU; what is bf16 and must not lose small
// steps is rounded by chance, with the CPU's random words.
#include <cmath>

#include "base/random.h"
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

// round_by_chance of ops/stochastic_rounding.h; `noise` has 16 bits, and the result is a bf16 exactly.
__device__ __forceinline__ float rounded_by_chance(float value, uint32_t noise) {
  const uint32_t bits = __float_as_uint(value) + (isfinite(value) ? noise : 0u);
  return __uint_as_float(bits & 0xffff0000u);
}

// The draws for elements from `element` on: rounding_words of each, from one draw for two of them.
template <int N>
struct Noise {
  uint2 words[N];

  __device__ __forceinline__ Noise(uint64_t seed, int64_t element, int64_t step) {
    if (N > 1 && element % 2 == 0) {
#pragma unroll
      for (int i = 0; i + 1 < N; i += 2) {
        const std::array<uint32_t, 4> drawn =
            philox(seed, static_cast<uint64_t>(element + i) / 2, static_cast<uint64_t>(step));
        words[i] = {drawn[0], drawn[1]};
        words[i + 1] = {drawn[2], drawn[3]};
      }
      return;
    }
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const std::array<uint32_t, 4> drawn =
          philox(seed, static_cast<uint64_t>(element + i) / 2, static_cast<uint64_t>(step));
      words[i] = (element + i) % 2 == 0 ? make_uint2(drawn[0], drawn[1]) : make_uint2(drawn[2], drawn[3]);
    }
  }
  __device__ uint32_t first(int i) const {
    return words[i].x & 0xffffu;
  }
  __device__ uint32_t second(int i) const {
    return words[i].x >> 16;
  }
  __device__ uint32_t weight(int i) const {
    return words[i].y & 0xffffu;
  }
};
template <>
struct Noise<0> {
  __device__ Noise(uint64_t, int64_t, int64_t) {}
  __device__ uint32_t first(int) const { return 0; }
  __device__ uint32_t second(int) const { return 0; }
  __device__ uint32_t weight(int) const { return 0; }
};

// To two units in the last place.
__device__ __forceinline__ float root(float value) {
  float result;
  asm("sqrt.approx.f32 %0, %1;" : "=f"(result) : "f"(value));
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

template <class W, class G, class M, int N>
__global__ void __launch_bounds__(kThreads) adamw_kernel(AdamWTensors<W, G, M> t, Factors f) {
  constexpr bool kChanceW = sizeof(W) == 2, kChanceM = sizeof(M) == 2;
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N, left = t.count - at;
  if (left <= 0) return;
  const bool is_whole = left >= N;
  Floats<N> weights = is_whole ? load<N>(t.weights + at) : load_some<N>(t.weights + at, left);
  const Floats<N> gradients = is_whole ? load<N>(t.gradient + at) : load_some<N>(t.gradient + at, left);
  Floats<N> firsts = is_whole ? load<N>(t.first + at) : load_some<N>(t.first + at, left);
  Floats<N> seconds = is_whole ? load<N>(t.second + at) : load_some<N>(t.second + at, left);
  const Noise<kChanceW || kChanceM ? N : 0> noise(t.seed, t.first_element + at, t.step);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float gradient = gradients.v[i] * f.scale;
    const float first = f.beta1 * firsts.v[i] + f.rest1 * gradient;
    const float second = f.beta2 * seconds.v[i] + f.rest2 * gradient * gradient;
    const float step = __fdividef(f.rate * first, root(second) * f.root_scale + f.eps);
    const float weight = weights.v[i] * f.decay - step;
    firsts.v[i] = kChanceM ? rounded_by_chance(first, noise.first(i)) : first;
    seconds.v[i] = kChanceM ? rounded_by_chance(second, noise.second(i)) : second;
    weights.v[i] = kChanceW ? rounded_by_chance(weight, noise.weight(i)) : weight;
  }
  if (is_whole) {
    store<N>(t.weights + at, weights);
    store<N>(t.first + at, firsts);
    store<N>(t.second + at, seconds);
    if (t.rounded != nullptr) store<N>(t.rounded + at, weights);
  } else {
    store_some<N>(t.weights + at, left, weights);
    store_some<N>(t.first + at, left, firsts);
    store_some<N>(t.second + at, left, seconds);
    if (t.rounded != nullptr) store_some<N>(t.rounded + at, left, weights);
  }
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
