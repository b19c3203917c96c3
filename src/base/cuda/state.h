// What a Cuda device is made of, for the files under cuda/ folders: the stream, cuBLASLt, what the GPU is;
// and how calls of the CUDA runtime are checked.
#pragma once

#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>

#include "base/device.h"

namespace poro {

// Throw GpuFault.
[[noreturn]] void gpu_failed(cudaError_t status);
[[noreturn]] void gpu_failed(cublasStatus_t status);

// A GPU that fails after start ends the command with a sentence.
#define CUDA_CHECK(call)                          \
  do {                                            \
    const cudaError_t cuda_status_ = (call);      \
    if (cuda_status_ != cudaSuccess) [[unlikely]] \
      ::poro::gpu_failed(cuda_status_);           \
  } while (false)

// After a launch `kernel<<<...>>>(...)`: the launch itself was right. Faults inside kernels show at the next
// copy.
#define CUDA_CHECK_LAUNCH() CUDA_CHECK(cudaGetLastError())

#define CUBLAS_CHECK(call)                                    \
  do {                                                        \
    const cublasStatus_t cublas_status_ = (call);             \
    if (cublas_status_ != CUBLAS_STATUS_SUCCESS) [[unlikely]] \
      ::poro::gpu_failed(cublas_status_);                     \
  } while (false)

struct Cuda::State {
  int index = 0;
  cudaDeviceProp properties = {};
  cudaStream_t stream = nullptr;
  cublasLtHandle_t blas = nullptr;
  std::byte* blas_workspace = nullptr;  // kBlasWorkspaceBytes
  struct Growing {
    std::byte* memory = nullptr;
    size_t bytes = 0;
    std::vector<std::byte*> outgrown;  // Recorded graphs still read and write there.
  };
  Growing scratch, operands;
  std::byte* staging = nullptr;  // Pinned memory of the host, on the way to the GPU, in two halves.
  cudaEvent_t half_is_free[2] = {};
  int next_half = 0;
  ThreadPool copiers{8};
  std::shared_ptr<void> matmul_plans;  // What ops/cuda/matmul.cu remembers.
  // CUDA_LAUNCH_BLOCKING=1: each operation is waited for, so a fault shows at the one that it is in.
  bool waits_for_each_op = false;

  static constexpr size_t kBlasWorkspaceBytes = size_t{64} << 20;
  static constexpr size_t kStagingBytes = size_t{64} << 20;

  int num_multiprocessors() const { return properties.multiProcessorCount; }
  // 90 for 9.0.
  int capability() const { return properties.major * 10 + properties.minor; }
};

// The element types of the GPU.
template <DType>
struct GpuElement;
template <>
struct GpuElement<DType::kF32> {
  using Type = float;
};
template <>
struct GpuElement<DType::kBF16> {
  using Type = __nv_bfloat16;
};
template <>
struct GpuElement<DType::kF16> {
  using Type = __half;
};
template <>
struct GpuElement<DType::kF64> {
  using Type = double;
};

// The elements of a tensor in the GPU's own type; the dtype must match.
template <class T>
T* gpu_data(const Tensor& tensor) {
  CHECK(!tensor || tensor.place == Place::kGpu, "{} is not on the GPU", tensor.str());
  return reinterpret_cast<T*>(tensor.data);
}

// Calls body.template operator()<T>() with the GPU's type for one of the dtypes named.
template <DType First, DType... Rest, class Body>
void with_type(DType dtype, const Body& body) {
  if (dtype == First) return body.template operator()<typename GpuElement<First>::Type>();
  if constexpr (sizeof...(Rest) > 0)
    with_type<Rest...>(dtype, body);
  else
    CHECK(false, "no kernel for {}", dtype_name(dtype));
}

}  // namespace poro
