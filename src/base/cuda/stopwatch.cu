#include "base/cuda/state.h"
#include "base/stopwatch.h"

namespace poro::gpu {

Stopwatch::Stopwatch(Cuda& cuda) : cuda_(&cuda) {
  for (void** event : {&begin_, &end_}) CUDA_CHECK(cudaEventCreate(reinterpret_cast<cudaEvent_t*>(event)));
}

Stopwatch::~Stopwatch() {
  for (void* event : {begin_, end_}) cudaEventDestroy(static_cast<cudaEvent_t>(event));
}

void Stopwatch::start() {
  CUDA_CHECK(cudaEventRecord(static_cast<cudaEvent_t>(begin_), cuda_->state().stream));
}

double Stopwatch::stop() {
  CUDA_CHECK(cudaEventRecord(static_cast<cudaEvent_t>(end_), cuda_->state().stream));
  CUDA_CHECK(cudaEventSynchronize(static_cast<cudaEvent_t>(end_)));
  float milliseconds = 0;
  CUDA_CHECK(
      cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(begin_), static_cast<cudaEvent_t>(end_)));
  return static_cast<double>(milliseconds) * 1e-3;
}

}  // namespace poro::gpu
