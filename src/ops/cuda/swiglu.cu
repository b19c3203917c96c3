// Element by element, 16 bytes of each tensor at a time.
#include "ops/cuda/vector.cuh"
#include "ops/swiglu.h"

namespace poro {
namespace {

constexpr int kThreads = 256;

// 1 / (1 + e^-x). For bf16 the fast exponential, whose error is far below half a step of bf16.
template <class T>
__device__ __forceinline__ float sigmoid(float x) {
  if constexpr (sizeof(T) == 2)
    return __fdividef(1.0f, 1.0f + __expf(-x));
  else
    return 1.0f / (1.0f + expf(-x));
}

template <class T>
__device__ __forceinline__ float silu(float x) {
  if constexpr (sizeof(T) == 2)
    return __fdividef(x, 1.0f + __expf(-x));
  else
    return x / (1.0f + expf(-x));
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads) swiglu_kernel(const T* gate, const T* up, T* y, int64_t count) {
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N, left = count - at;
  if (left <= 0) return;
  Floats<N> g = left >= N ? load<N>(gate + at) : load_some<N>(gate + at, left);
  const Floats<N> u = left >= N ? load<N>(up + at) : load_some<N>(up + at, left);
#pragma unroll
  for (int i = 0; i < N; ++i) g.v[i] = silu<T>(g.v[i]) * u.v[i];
  if (left >= N)
    store<N>(y + at, g);
  else
    store_some<N>(y + at, left, g);
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    swiglu_backward_kernel(const T* gate, const T* up, const T* dy, T* dgate, T* dup, int64_t count) {
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N, left = count - at;
  if (left <= 0) return;
  Floats<N> g = left >= N ? load<N>(gate + at) : load_some<N>(gate + at, left);
  Floats<N> u = left >= N ? load<N>(up + at) : load_some<N>(up + at, left);
  const Floats<N> d = left >= N ? load<N>(dy + at) : load_some<N>(dy + at, left);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float s = sigmoid<T>(g.v[i]), gated = g.v[i] * s;
    g.v[i] = d.v[i] * u.v[i] * s * (1.0f + g.v[i] * (1.0f - s));
    u.v[i] = d.v[i] * gated;
  }
  if (left >= N) {
    store<N>(dgate + at, g);
    store<N>(dup + at, u);
  } else {
    store_some<N>(dgate + at, left, g);
    store_some<N>(dup + at, left, u);
  }
}

}  // namespace

void run(Cuda& cuda, const SwiGlu& op) {
  const int64_t count = op.y.elements();
  if (count == 0) return;
  CHECK(op.up.dtype == op.gate.dtype && op.y.dtype == op.gate.dtype, "gate {}, up {}, y {}", op.gate.str(),
        op.up.str(), op.y.str());
  with_type<DType::kBF16, DType::kF32>(op.gate.dtype, [&]<class T>() {
    const auto launch = [&]<int N>() {
      swiglu_kernel<T, N><<<blocks_of(count, kThreads * N), kThreads, 0, cuda.state().stream>>>(
          gpu_data<T>(op.gate), gpu_data<T>(op.up), gpu_data<T>(op.y), count);
    };
    if (is_packed(0, 8, {op.gate.data, op.up.data, op.y.data}))
      launch.template operator()<16 / sizeof(T)>();
    else
      launch.template operator()<1>();
  });
  CUDA_CHECK_LAUNCH();
}

void run(Cuda& cuda, const SwiGluBackward& op) {
  const int64_t count = op.gate.elements();
  if (count == 0) return;
  for (const Tensor* tensor : {&op.up, &op.dy, &op.dgate, &op.dup})
    CHECK(tensor->dtype == op.gate.dtype, "{} beside gate {}", tensor->str(), op.gate.str());
  with_type<DType::kBF16, DType::kF32>(op.gate.dtype, [&]<class T>() {
    const auto launch = [&]<int N>() {
      swiglu_backward_kernel<T, N><<<blocks_of(count, kThreads * N), kThreads, 0, cuda.state().stream>>>(
          gpu_data<T>(op.gate), gpu_data<T>(op.up), gpu_data<T>(op.dy), gpu_data<T>(op.dgate),
          gpu_data<T>(op.dup), count);
    };
    if (is_packed(0, 8, {op.gate.data, op.up.data, op.dy.data, op.dgate.data, op.dup.data}))
      launch.template operator()<16 / sizeof(T)>();
    else
      launch.template operator()<1>();
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
