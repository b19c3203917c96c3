#include "ops/add.h"

#include "base/cuda/state.h"

namespace poro {
namespace {

template <class T>
__global__ void add(const T* a, const T* b, T* to, int64_t count) {
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < count; i += int64_t{gridDim.x} * blockDim.x)
    to[i] = static_cast<T>(static_cast<float>(a[i]) + (b != nullptr ? static_cast<float>(b[i]) : 0.0f));
}

}  // namespace

void run(Cuda& cuda, const Add& op) {
  const int64_t count = op.to.elements();
  if (count == 0) return;
  const int blocks = static_cast<int>(std::min<int64_t>((count + 255) / 256, 16 * cuda.state().num_multiprocessors()));
  with_type<DType::kF32, DType::kBF16>(op.to.dtype, [&]<class T>() {
    add<<<blocks, 256, 0, cuda.state().stream>>>(gpu_data<const T>(op.a), gpu_data<const T>(op.b), gpu_data<T>(op.to), count);
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
