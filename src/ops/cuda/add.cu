// Element by element, 16 bytes of each tensor at a time.
#include "ops/add.h"
#include "ops/cuda/vector.cuh"

namespace poro {
namespace {

constexpr int kThreads = 256;

template <int N, class T>
__global__ void __launch_bounds__(kThreads) add_kernel(const T* a, const T* b, T* to, int64_t count) {
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N, left = count - at;
  if (left <= 0) return;
  const auto take = [&](const T* from) {
    return left >= N ? load<N>(from + at) : load_some<N>(from + at, left);
  };
  Floats<N> sum = take(a);
  if (b != nullptr) {
    const Floats<N> other = take(b);
#pragma unroll
    for (int i = 0; i < N; ++i) sum.v[i] += other.v[i];
  }
  if (left >= N)
    store<N>(to + at, sum);
  else
    store_some<N>(to + at, left, sum);
}

}  // namespace

void run(Cuda& cuda, const Add& op) {
  const int64_t count = op.to.elements();
  if (count == 0) return;
  with_type<DType::kF32, DType::kBF16>(op.to.dtype, [&]<class T>() {
    const auto launch = [&]<int N>() {
      add_kernel<N><<<blocks_of(count, kThreads * N), kThreads, 0, cuda.state().stream>>>(
          gpu_data<const T>(op.a), gpu_data<const T>(op.b), gpu_data<T>(op.to), count);
    };
    if (is_packed(0, 8, {op.a.data, op.b.data, op.to.data}))
      launch.template operator()<16 / sizeof(T)>();
    else
      launch.template operator()<1>();
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
