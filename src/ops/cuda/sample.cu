// The argmax in two steps: blocks over parts of the vocabulary, then one warp for each row. A candidate is one number, ordered by
// logit and then by falling id, so the result does not depend on the order of comparisons.
#include "ops/sample.h"

#include "base/cuda/state.h"

namespace poro {
namespace {

constexpr int kThreads = 256;
constexpr int kParts = 32;  // Of a row.
constexpr unsigned long long kNan = ~0ull;  // Above every other candidate.

__device__ unsigned long long candidate(float logit, uint32_t id) {
  if (isnan(logit)) return kNan;
  const uint32_t bits = __float_as_uint(logit == 0 ? 0.0f : logit);  // The two zeros are equal.
  const uint32_t ordered = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return static_cast<unsigned long long>(ordered) << 32 | (0xffffffffu - id);
}

__device__ unsigned long long warp_best(unsigned long long best) {
  for (int offset = 16; offset > 0; offset /= 2) best = max(best, __shfl_xor_sync(0xffffffffu, best, offset));
  return best;
}

template <class T>
__global__ void __launch_bounds__(kThreads) best_of_parts(const T* logits, int64_t vocab, unsigned long long* best_of_part) {
  __shared__ unsigned long long best_of_warp[kThreads / 32];
  const T* row = logits + blockIdx.y * vocab;
  unsigned long long best = 0;
  for (int64_t id = int64_t{blockIdx.x} * kThreads + threadIdx.x; id < vocab; id += kParts * kThreads)
    best = max(best, candidate(static_cast<float>(row[id]), static_cast<uint32_t>(id)));
  best = warp_best(best);
  if (threadIdx.x % 32 == 0) best_of_warp[threadIdx.x / 32] = best;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  best = warp_best(threadIdx.x < kThreads / 32 ? best_of_warp[threadIdx.x] : 0);
  if (threadIdx.x == 0) best_of_part[blockIdx.y * kParts + blockIdx.x] = best;
}

template <class T>
__global__ void __launch_bounds__(kParts)
    best_of_rows(const unsigned long long* best_of_part, const T* logits, int64_t vocab, int32_t* ids, T* highest) {
  const unsigned long long best = warp_best(best_of_part[blockIdx.x * kParts + threadIdx.x]);
  if (threadIdx.x == 0 && highest != nullptr)
    highest[blockIdx.x] = logits[blockIdx.x * vocab + (best == kNan ? 0 : 0xffffffffu - static_cast<uint32_t>(best))];
  if (threadIdx.x == 0) ids[blockIdx.x] = best == kNan ? -1 : static_cast<int32_t>(0xffffffffu - static_cast<uint32_t>(best));
}

}  // namespace

void run(Cuda& cuda, const Argmax& op) {
  const unsigned rows = static_cast<unsigned>(op.logits.dim(0));
  if (rows == 0) return;
  cudaStream_t stream = cuda.state().stream;
  auto* parts = reinterpret_cast<unsigned long long*>(cuda.scratch(rows * kParts * sizeof(unsigned long long)));
  with_type<DType::kF32, DType::kBF16>(op.logits.dtype, [&]<class T>() {
    best_of_parts<T><<<dim3(kParts, rows), kThreads, 0, stream>>>(gpu_data<T>(op.logits), op.logits.dim(1), parts);
    best_of_rows<T><<<rows, kParts, 0, stream>>>(parts, gpu_data<T>(op.logits), op.logits.dim(1), gpu_data<int32_t>(op.ids),
                                                 gpu_data<T>(op.highest));
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
