// One GPU: its stream, its memory, and copies between it and the host.
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/cuda/state.h"

namespace poro {
namespace {

constexpr size_t kScratchGrain = size_t{32} << 20;

// Through the two halves of the pinned memory in turn: while one is on the bus the other is filled, by
// several threads, because what is copied may be a mapped file that is read from disk on the way.
void upload(Cuda::State& s, const std::byte* from, std::byte* to, size_t bytes) {
  constexpr size_t kHalf = Cuda::State::kStagingBytes / 2;
  for (size_t done = 0; done < bytes; done += kHalf) {
    const size_t count = std::min(kHalf, bytes - done);
    s.next_half ^= 1;
    std::byte* half = s.staging + static_cast<size_t>(s.next_half) * kHalf;
    CUDA_CHECK(cudaEventSynchronize(s.half_is_free[s.next_half]));
    constexpr size_t kSmall = size_t{1} << 20;
    if (count < kSmall)
      std::memcpy(half, from + done, count);
    else
      parallel_for(s.copiers, static_cast<int64_t>(count), 1 << 18, [&](Range range) {
        std::memcpy(half + range.begin, from + done + range.begin, static_cast<size_t>(range.size()));
      });
    CUDA_CHECK(cudaMemcpyAsync(to + done, half, count, cudaMemcpyHostToDevice, s.stream));
    CUDA_CHECK(cudaEventRecord(s.half_is_free[s.next_half], s.stream));
  }
}

void check_at_start(cudaError_t status, std::string_view what) {
  if (status != cudaSuccess)
    fail("{}: {}; see `poro --version` for the GPUs and the driver, or use --device cpu", what,
         cudaGetErrorString(status));
}

// As the CUDA runtime reads it.
bool is_launch_blocking() {
  const char* value = std::getenv("CUDA_LAUNCH_BLOCKING");
  return value != nullptr && std::string_view(value) == "1";
}

[[noreturn]] void fail_without_memory() {
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  throw GpuFault(
      fmt::format("the GPU has no memory left ({} of {} MiB are free)", free >> 20, total >> 20),
      "stop other programs that use it, or use a smaller context or batch, or weights in fewer bits");
}

}  // namespace

void gpu_failed(cudaError_t status) {
  if (status == cudaErrorMemoryAllocation) fail_without_memory();
  throw GpuFault(fmt::format("the GPU failed ({})", cudaGetErrorString(status)),
                 is_launch_blocking() ? "try again, or use --device cpu"
                                      : "it may have been in an earlier operation, which "
                                        "CUDA_LAUNCH_BLOCKING=1 in the environment names");
}

void gpu_failed(cublasStatus_t status) {
  if (status == CUBLAS_STATUS_ALLOC_FAILED) fail_without_memory();
  throw GpuFault(
      fmt::format("a matrix product failed on the GPU (cuBLAS: {})", cublasLtGetStatusString(status)),
      "try again, or use --device cpu");
}

Cuda::Cuda(int index, DType wanted) : activations(wanted), state_(std::make_unique<State>()) {
  int count = 0, driver = 0;
  const cudaError_t found = cudaGetDeviceCount(&count);
  cudaDriverGetVersion(&driver);  // 0 where there is none.
  if (found == cudaErrorInsufficientDriver && driver > 0)
    fail(
        "the NVIDIA driver serves CUDA {}.{}, and this program needs {}.{}; update the driver, or use "
        "--device "
        "cpu",
        driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
  if (found != cudaSuccess || count == 0)
    fail(
        "no NVIDIA GPU was found ({}); see that the driver is installed and the GPU visible "
        "(CUDA_VISIBLE_DEVICES), or use --device cpu",
        driver == 0 ? "there is no driver" : cudaGetErrorString(found));
  if (index < 0 || index >= count) fail("there is no GPU {}; GPUs 0 to {} are there", index, count - 1);
  State& s = *state_;
  s.index = index;
  s.waits_for_each_op = is_launch_blocking();
  check_at_start(cudaSetDevice(index), "the GPU could not be opened");
  check_at_start(cudaGetDeviceProperties(&s.properties, index), "the GPU could not be asked what it is");
  if (s.capability() < 80)
    fail("{} has compute capability {}.{}; 8.0 (A100) or newer is needed, or use --device cpu",
         s.properties.name, s.properties.major, s.properties.minor);
  check_at_start(cudaStreamCreateWithFlags(&s.stream, cudaStreamNonBlocking),
                 "no stream could be made on the GPU");
  for (cudaEvent_t& event : s.half_is_free)
    check_at_start(cudaEventCreateWithFlags(&event, cudaEventDisableTiming),
                   "no event could be made on the GPU");
  check_at_start(cudaMallocHost(&s.staging, State::kStagingBytes), "no pinned memory could be had");
  check_at_start(cudaMalloc(&s.blas_workspace, State::kBlasWorkspaceBytes), "the GPU has no free memory");
  if (cublasLtCreate(&s.blas) != CUBLAS_STATUS_SUCCESS)
    fail("cuBLAS could not start on {}", s.properties.name);
}

Cuda::~Cuda() {
  State& s = *state_;
  cudaSetDevice(s.index);
  cudaStreamSynchronize(s.stream);
  cublasLtDestroy(s.blas);
  for (const State::Growing* growing : {&s.scratch, &s.operands}) {
    cudaFree(growing->memory);
    for (std::byte* memory : growing->outgrown) cudaFree(memory);
  }
  cudaFree(s.blas_workspace);
  cudaFreeHost(s.staging);
  for (const cudaEvent_t event : s.half_is_free) cudaEventDestroy(event);
  cudaStreamDestroy(s.stream);
}

namespace {

std::byte* grown(Cuda::State::Growing& growing, size_t bytes) {
  if (bytes > growing.bytes) {
    growing.bytes = (bytes + kScratchGrain - 1) / kScratchGrain * kScratchGrain;
    if (growing.memory != nullptr) growing.outgrown.push_back(growing.memory);
    CUDA_CHECK(cudaMalloc(&growing.memory, growing.bytes));
  }
  return growing.memory;
}

}  // namespace

std::byte* Cuda::scratch(size_t bytes) {
  return grown(state_->scratch, bytes);
}
std::byte* Cuda::operands(size_t bytes) {
  return grown(state_->operands, bytes);
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
  if (to.place == Place::kGpu) return upload(s, from.data, to.data, bytes);
  CUDA_CHECK(cudaMemcpyAsync(to.data, from.data, bytes, cudaMemcpyDeviceToHost, s.stream));
  CUDA_CHECK(cudaStreamSynchronize(s.stream));
}

void zero(Cuda& cuda, const Tensor& tensor) {
  CUDA_CHECK(cudaMemsetAsync(tensor.data, 0, tensor.bytes(), cuda.state().stream));
}

void copy_columns(Cuda& cuda, const Tensor& from, int64_t first, const Tensor& to) {
  const size_t element = static_cast<size_t>(dtype_bits(to.dtype) / 8);
  const size_t wide = static_cast<size_t>(from.dim(1)) * element,
               narrow = static_cast<size_t>(to.dim(1)) * element;
  CUDA_CHECK(cudaMemcpy2DAsync(to.data, narrow, from.data + static_cast<size_t>(first) * element, wide,
                               narrow, static_cast<size_t>(to.dim(0)), cudaMemcpyDeviceToDevice,
                               cuda.state().stream));
}

void synchronize(Cuda& cuda) {
  CUDA_CHECK(cudaStreamSynchronize(cuda.state().stream));
}

bool may_record(Cuda& cuda) {
  return !cuda.state().waits_for_each_op;
}

std::shared_ptr<void> record(Cuda& cuda, const std::function<void()>& body) {
  const cudaStream_t stream = cuda.state().stream;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  body();
  CUDA_CHECK(cudaStreamEndCapture(stream, &graph));
  CUDA_CHECK(cudaGraphInstantiate(&executable, graph, 0));
  CUDA_CHECK(cudaGraphDestroy(graph));
  return {executable, [](void* made) { cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(made)); }};
}

void replay(Cuda& cuda, void* graph) {
  CUDA_CHECK(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), cuda.state().stream));
}

}  // namespace gpu
}  // namespace poro
