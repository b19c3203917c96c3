// One GPU: its stream, its memory, and copies between it and the host.
#include <cstring>

#include "base/cuda/state.h"

namespace poro {
namespace {

constexpr size_t kScratchGrain = size_t{32} << 20;

void check_at_start(cudaError_t status, std::string_view what) {
  if (status != cudaSuccess) fail("{}: {}; see `poro --version` for the GPUs and the driver, or use --device cpu", what, cudaGetErrorString(status));
}

}  // namespace

Cuda::Cuda(int index, DType wanted) : activations(wanted), state_(std::make_unique<State>()) {
  int count = 0;
  const cudaError_t found = cudaGetDeviceCount(&count);
  if (found == cudaErrorInsufficientDriver)
    fail("the NVIDIA driver is older than CUDA {}.{}, which this program was built with; update the driver, or use --device cpu",
         CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
  if (found != cudaSuccess || count == 0)
    fail("no NVIDIA GPU was found ({}); is the driver running, and the GPU visible (CUDA_VISIBLE_DEVICES)? Or use --device cpu",
         found == cudaSuccess ? "none is there" : cudaGetErrorString(found));
  if (index < 0 || index >= count) fail("there is no GPU {}; GPUs 0 to {} are there", index, count - 1);
  State& s = *state_;
  s.index = index;
  check_at_start(cudaSetDevice(index), "the GPU could not be opened");
  check_at_start(cudaGetDeviceProperties(&s.properties, index), "the GPU could not be asked what it is");
  if (s.capability() < 80)
    fail("{} has compute capability {}.{}; 8.0 (A100) or newer is needed, or use --device cpu", s.properties.name, s.properties.major,
         s.properties.minor);
  check_at_start(cudaStreamCreateWithFlags(&s.stream, cudaStreamNonBlocking), "no stream could be made on the GPU");
  check_at_start(cudaMallocHost(&s.staging, State::kStagingBytes), "no pinned memory could be had");
  check_at_start(cudaMalloc(&s.blas_workspace, State::kBlasWorkspaceBytes), "the GPU has no free memory");
  if (cublasLtCreate(&s.blas) != CUBLAS_STATUS_SUCCESS) fail("cuBLAS could not start on {}", s.properties.name);
}

Cuda::~Cuda() {
  State& s = *state_;
  cudaSetDevice(s.index);
  cudaStreamSynchronize(s.stream);
  cublasLtDestroy(s.blas);
  cudaFree(s.scratch);
  cudaFree(s.blas_workspace);
  cudaFreeHost(s.staging);
  cudaStreamDestroy(s.stream);
}

std::byte* Cuda::scratch(size_t bytes) {
  State& s = *state_;
  if (bytes > s.scratch_bytes) {
    s.scratch_bytes = (bytes + kScratchGrain - 1) / kScratchGrain * kScratchGrain;
    CUDA_CHECK(cudaStreamSynchronize(s.stream));
    CUDA_CHECK(cudaFree(s.scratch));
    CUDA_CHECK(cudaMalloc(&s.scratch, s.scratch_bytes));
  }
  return s.scratch;
}

namespace gpu {

std::string name(const Cuda& cuda) {
  const Cuda::State& s = const_cast<Cuda&>(cuda).state();
  return fmt::format("cuda:{} ({}, {})", s.index, s.properties.name, dtype_name(cuda.activations));
}

std::byte* allocate(Cuda& cuda, size_t bytes) {
  CUDA_CHECK(cudaSetDevice(cuda.state().index));
  std::byte* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  CUDA_CHECK(status);
  CUDA_CHECK(cudaMemsetAsync(memory, 0, bytes, cuda.state().stream));
  return memory;
}

void release(Cuda& cuda, std::byte* memory) {
  cudaStreamSynchronize(cuda.state().stream);
  cudaFree(memory);
}

std::pair<size_t, size_t> memory(Cuda& cuda) {
  size_t free = 0, total = 0;
  CUDA_CHECK(cudaSetDevice(cuda.state().index));
  CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return {free, total};
}

void copy(Cuda& cuda, const Tensor& from, const Tensor& to) {
  Cuda::State& s = cuda.state();
  const size_t bytes = from.bytes();
  if (from.place == Place::kGpu && to.place == Place::kGpu) {
    CUDA_CHECK(cudaMemcpyAsync(to.data, from.data, bytes, cudaMemcpyDeviceToDevice, s.stream));
    return;
  }
  if (from.place == Place::kHost && to.place == Place::kHost) {
    std::memcpy(to.data, from.data, bytes);
    return;
  }
  // From pageable memory the call returns when the bytes were taken; small copies are cheap, large ones go at the bus's speed
  // through pinned memory in the loader.
  CUDA_CHECK(cudaMemcpyAsync(to.data, from.data, bytes, to.place == Place::kGpu ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost, s.stream));
  CUDA_CHECK(cudaStreamSynchronize(s.stream));
}

void zero(Cuda& cuda, const Tensor& tensor) {
  CUDA_CHECK(cudaMemsetAsync(tensor.data, 0, tensor.bytes(), cuda.state().stream));
}

void synchronize(Cuda& cuda) { CUDA_CHECK(cudaStreamSynchronize(cuda.state().stream)); }

}  // namespace gpu
}  // namespace poro
