#include "ops/convert.h"

#include "base/cuda/state.h"

namespace poro {
namespace {

__device__ float as_float(float value) { return value; }
__device__ float as_float(__half value) { return __half2float(value); }
__device__ float as_float(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ double as_float(double value) { return value; }

template <class From, class To>
__global__ void convert(const From* from, To* to, int64_t count) {
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < count; i += int64_t{gridDim.x} * blockDim.x)
    to[i] = To(as_float(from[i]));
}

}  // namespace

void run(Cuda& cuda, const Convert& op) {
  const int64_t count = op.from.elements();
  if (count == 0) return;
  const int blocks = static_cast<int>(std::min<int64_t>((count + 255) / 256, 16 * cuda.state().num_multiprocessors()));
  with_type<DType::kF32, DType::kBF16, DType::kF16, DType::kF64>(op.from.dtype, [&]<class From>() {
    with_type<DType::kF32, DType::kBF16, DType::kF16, DType::kF64>(op.to.dtype, [&]<class To>() {
      convert<<<blocks, 256, 0, cuda.state().stream>>>(gpu_data<const From>(op.from), gpu_data<To>(op.to), count);
    });
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
