// One block for a row of logits.
#include "ops/cuda/softmax.cuh"
#include "ops/log_probs.h"

namespace poro {
namespace {

constexpr int kThreads = 512;

template <class T, class P, int N>
__global__ void __launch_bounds__(kThreads, 3)
    log_probs_kernel(const T* logits, const int32_t* targets, P* logp, int64_t vocab, int64_t first_id,
                     double* lse) {
  const T* row = logits + blockIdx.x * vocab;
  const Denominator denominator = row_denominator<N>(row, vocab);
  if (threadIdx.x > 0) return;
  const int64_t target = targets[blockIdx.x] - first_id;
  const double logit = target >= 0 && target < vocab ? static_cast<double>(to_float(row[target])) : 0;
  const double highest = static_cast<double>(denominator.highest),
               log_sum = log(static_cast<double>(denominator.sum));
  if (lse != nullptr) lse[blockIdx.x] = highest + log_sum;
  // The difference first: near a certain token the logarithm is small beside the logits.
  logp[blockIdx.x] = static_cast<P>(lse != nullptr ? logit : logit - highest - log_sum);
}

}  // namespace

void run(Cuda& cuda, const LogProbs& op) {
  const unsigned rows = static_cast<unsigned>(op.logits.dim(0));
  if (rows == 0) return;
  const int64_t vocab = op.logits.dim(1);
  with_type<DType::kF32, DType::kBF16>(op.logits.dtype, [&]<class T>() {
    with_type<DType::kF32, DType::kF64, DType::kBF16>(op.logp.dtype, [&]<class P>() {
      const auto launch = [&]<int N>() {
        log_probs_kernel<T, P, N><<<rows, threads_of(vocab / N + 1, kThreads), 0, cuda.state().stream>>>(
            gpu_data<T>(op.logits), gpu_data<int32_t>(op.targets), gpu_data<P>(op.logp), vocab, op.first_id,
            gpu_data<double>(op.lse));
      };
      if (is_packed(vocab, 8, {op.logits.data}))
        launch.template operator()<8>();
      else
        launch.template operator()<1>();
    });
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
