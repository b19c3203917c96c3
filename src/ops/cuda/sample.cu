// The argmax in two steps: blocks over parts of the vocabulary, then one warp for each row. A candidate is
// one number, ordered by logit and then by falling id, so the result does not depend on the order of
// comparisons.
#include "base/cuda/state.h"
#include "ops/cuda/vector.cuh"
#include "ops/sample.h"

namespace poro {
namespace {

constexpr int kThreads = 256;
constexpr int kParts = 32;                  // Of a row.
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
__global__ void __launch_bounds__(kThreads)
    best_of_parts(const T* logits, int64_t vocab, unsigned long long* best_of_part) {
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
    best_of_rows(const unsigned long long* best_of_part, const T* logits, int64_t vocab, int32_t* ids,
                 T* highest) {
  const unsigned long long best = warp_best(best_of_part[blockIdx.x * kParts + threadIdx.x]);
  if (threadIdx.x == 0 && highest != nullptr)
    highest[blockIdx.x] =
        logits[blockIdx.x * vocab + (best == kNan ? 0 : 0xffffffffu - static_cast<uint32_t>(best))];
  if (threadIdx.x == 0)
    ids[blockIdx.x] = best == kNan ? -1 : static_cast<int32_t>(0xffffffffu - static_cast<uint32_t>(best));
}

}  // namespace

void run(Cuda& cuda, const Argmax& op) {
  const unsigned rows = static_cast<unsigned>(op.logits.dim(0));
  if (rows == 0) return;
  cudaStream_t stream = cuda.state().stream;
  auto* parts =
      reinterpret_cast<unsigned long long*>(cuda.scratch(rows * kParts * sizeof(unsigned long long)));
  with_type<DType::kF32, DType::kBF16>(op.logits.dtype, [&]<class T>() {
    best_of_parts<T>
        <<<dim3(kParts, rows), kThreads, 0, stream>>>(gpu_data<T>(op.logits), op.logits.dim(1), parts);
    best_of_rows<T><<<rows, kParts, 0, stream>>>(parts, gpu_data<T>(op.logits), op.logits.dim(1),
                                                 gpu_data<int32_t>(op.ids), gpu_data<T>(op.highest));
  });
  CUDA_CHECK_LAUNCH();
}

namespace {

// A block for a row, in three passes over it: the highest; how many tokens lie how far below, and what all
// weigh; the ones above the bound. Distances are counted in bins, so that one pass finds the bound.
constexpr int kRowThreads = 1024;
constexpr int kBinsEach = 2, kBins = kRowThreads * kBinsEach;
constexpr float kBinsPerUnit = 64;    // Of distance over temperature: 32 units and what is further.
constexpr float kExactDistance = 16;  // Up to there in f64: further tokens weigh under 1e-7 of the highest.

template <class T>
struct Row {
  const T* logits;
  int64_t vocab;
  float highest, rate;  // 1 / temperature

  __device__ float distance(int64_t id) const { return (highest - static_cast<float>(logits[id])) * rate; }
  __device__ int bin(int64_t id) const {
    return static_cast<int>(fminf(distance(id) * kBinsPerUnit, static_cast<float>(kBins)));
  }
};

// The number of bins, from the nearest, that hold at most `places` tokens together.
__device__ int bins_within(const int* tokens_of_bin, int places) {
  __shared__ int before[kWarp];
  int sum = 0;
  for (int i = 0; i < kBinsEach; ++i) sum += tokens_of_bin[threadIdx.x * kBinsEach + i];
  int running = sum;
  for (int offset = 1; offset < kWarp; offset *= 2) {
    const int other = __shfl_up_sync(0xffffffffu, running, offset);
    if (threadIdx.x % kWarp >= offset) running += other;
  }
  if (threadIdx.x % kWarp == kWarp - 1) before[threadIdx.x / kWarp] = running;
  __syncthreads();
  for (int warp = 0; warp < threadIdx.x / kWarp; ++warp) running += before[warp];
  int within = 0;
  running -= sum;
  for (int i = 0; i < kBinsEach; ++i)
    within += (running += tokens_of_bin[threadIdx.x * kBinsEach + i]) <= places ? 1 : 0;
  return block_reduce(within);
}

template <class T>
__global__ void __launch_bounds__(kRowThreads)
    top_of_rows(const T* logits, int64_t vocab, const double* temperatures, int32_t* ids, T* values,
                int places, int32_t* counts, double* totals) {
  __shared__ int tokens_of_bin[kBins];
  __shared__ int taken;
  const int64_t t = blockIdx.x;
  Row<T> row{.logits = logits + t * vocab, .vocab = vocab, .highest = -INFINITY, .rate = 1};
  float nans = 0;
  for (int64_t id = threadIdx.x; id < vocab; id += kRowThreads) {
    const float logit = static_cast<float>(row.logits[id]);
    row.highest = fmaxf(row.highest, logit);
    nans += isnan(logit) ? 1.0f : 0.0f;
  }
  row.highest = block_reduce(row.highest, Highest{}, -INFINITY);
  row.rate = static_cast<float>(1.0 / temperatures[t]);
  for (int i = 0; i < kBinsEach; ++i) tokens_of_bin[threadIdx.x * kBinsEach + i] = 0;
  if (threadIdx.x == 0) taken = 0;
  if (block_reduce(nans) > 0 || isinf(row.highest)) {
    if (threadIdx.x == 0) counts[t] = 0, totals[t] = 0;
    return;
  }
  double total = 0;
  const double highest = static_cast<double>(row.highest), temperature = temperatures[t];
  for (int64_t id = threadIdx.x; id < vocab; id += kRowThreads) {
    const float distance = row.distance(id);
    const int bin = row.bin(id);
    if (bin < kBins) atomicAdd(tokens_of_bin + bin, 1);
    total += distance < kExactDistance
                 ? exp((static_cast<double>(static_cast<float>(row.logits[id])) - highest) / temperature)
                 : static_cast<double>(expf(-distance));
  }
  total = block_reduce(total);
  __syncthreads();
  const int bins = bins_within(tokens_of_bin, places);
  for (int64_t id = threadIdx.x; id < vocab; id += kRowThreads) {
    if (row.bin(id) >= bins) continue;
    const int at = atomicAdd(&taken, 1);
    ids[t * places + at] = static_cast<int32_t>(id);
    values[t * places + at] = row.logits[id];
  }
  __syncthreads();
  if (threadIdx.x == 0) counts[t] = taken, totals[t] = total;
}

}  // namespace

void run(Cuda& cuda, const TopLogits& op) {
  const unsigned rows = static_cast<unsigned>(op.logits.dim(0));
  if (rows == 0) return;
  with_type<DType::kF32, DType::kBF16>(op.logits.dtype, [&]<class T>() {
    top_of_rows<T><<<rows, kRowThreads, 0, cuda.state().stream>>>(
        gpu_data<T>(op.logits), op.logits.dim(1), gpu_data<double>(op.temperatures),
        gpu_data<int32_t>(op.ids), gpu_data<T>(op.values), static_cast<int>(op.ids.dim(1)),
        gpu_data<int32_t>(op.counts), gpu_data<double>(op.totals));
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
