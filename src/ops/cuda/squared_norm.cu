// A fixed number of blocks sums fixed shares in double; one more block sums theirs in order. The same bits on
// every GPU.
#include "ops/cuda/vector.cuh"
#include "ops/squared_norm.h"

namespace poro {
namespace {

constexpr int kThreads = 512, kBlocks = 1024;

template <class T, int N>
__global__ void __launch_bounds__(kThreads) square_kernel(const T* x, int64_t count, double* partial) {
  double sums[2] = {};
  for (int64_t at = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N; at < count;
       at += int64_t{kBlocks} * kThreads * N) {
    const Floats<N> values = at + N <= count ? load<N>(x + at) : load_some<N>(x + at, count - at);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const double value = static_cast<double>(values.v[i]);
      sums[i % 2] += value * value;
    }
  }
  const double sum = block_reduce(sums[0] + sums[1]);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kBlocks) sum_kernel(const double* partial, double* sum) {
  const double all = block_reduce(partial[threadIdx.x]);
  if (threadIdx.x == 0) *sum = all;
}

}  // namespace

void run(Cuda& cuda, const SquaredNorm& op) {
  double* partial = reinterpret_cast<double*>(cuda.scratch(kBlocks * sizeof(double)));
  with_type<DType::kF32, DType::kBF16>(op.x.dtype, [&]<class T>() {
    const auto launch = [&]<int N>() {
      square_kernel<T, N>
          <<<kBlocks, kThreads, 0, cuda.state().stream>>>(gpu_data<T>(op.x), op.x.elements(), partial);
    };
    if (is_packed(0, 8, {op.x.data}))
      launch.template operator()<8>();
    else
      launch.template operator()<1>();
  });
  CUDA_CHECK_LAUNCH();
  sum_kernel<<<1, kBlocks, 0, cuda.state().stream>>>(partial, gpu_data<double>(op.sum));
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
