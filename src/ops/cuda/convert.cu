// Element by element, eight at a time.
#include "ops/convert.h"
#include "ops/cuda/vector.cuh"

namespace poro {
namespace {

constexpr int kThreads = 256, kEach = 8;

__device__ double widened(double value) {
  return value;
}
template <class T>
__device__ float widened(T value) {
  return to_float(value);
}

template <class From, class To>
__global__ void __launch_bounds__(kThreads)
    convert_kernel(const From* from, To* to, int64_t count, bool is_aligned) {
  const int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kEach, left = count - at;
  if (is_aligned && left >= kEach) {
    const Pack<From, kEach> pack = load_pack<kEach>(from + at);
    Pack<To, kEach> result;
#pragma unroll
    for (int i = 0; i < kEach; ++i) result.v[i] = To(widened(pack.v[i]));
    *reinterpret_cast<Pack<To, kEach>*>(to + at) = result;
  } else {
    for (int i = 0; i < kEach && i < left; ++i) to[at + i] = To(widened(from[at + i]));
  }
}

}  // namespace

void run(Cuda& cuda, const Convert& op) {
  const int64_t count = op.from.elements();
  if (count == 0) return;
  with_type<DType::kF32, DType::kBF16, DType::kF16, DType::kF64>(op.from.dtype, [&]<class From>() {
    with_type<DType::kF32, DType::kBF16, DType::kF16, DType::kF64>(op.to.dtype, [&]<class To>() {
      convert_kernel<<<blocks_of(count, kThreads * kEach), kThreads, 0, cuda.state().stream>>>(
          gpu_data<const From>(op.from), gpu_data<To>(op.to), count,
          is_packed(0, kEach, {op.from.data, op.to.data}));
    });
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
