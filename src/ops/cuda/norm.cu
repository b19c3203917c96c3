// One block for a row, which stays in registers between the sum and the product. The gradient of the weights is summed in two
// fixed steps: over the rows of a block, in its registers, and over the blocks.
#include "ops/norm.h"

#include "ops/cuda/vector.cuh"

namespace poro {
namespace {

// Packs of N a thread holds of a row of up to kWidest.
constexpr int64_t kWidest = 32768;

template <class X, class W, class Y, int N, int K>
__global__ void norm_kernel(const X* x, const W* w, Y* y, float* rstd_out, int width, float eps) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * width;
  Floats<N> kept[K];
  float sum = 0;
#pragma unroll
  for (int k = 0; k < K; ++k) {
    const int at = (k * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * N;
    if (at >= width) continue;
    kept[k] = load<N>(x + row + at);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += kept[k].v[i] * kept[k].v[i];
  }
  const float rstd = 1.0f / sqrtf(block_reduce(sum) / static_cast<float>(width) + eps);
  if (rstd_out != nullptr && threadIdx.x == 0) rstd_out[blockIdx.x] = rstd;
#pragma unroll
  for (int k = 0; k < K; ++k) {
    const int at = (k * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * N;
    if (at >= width) continue;
    const Floats<N> weights = load<N>(w + at);
#pragma unroll
    for (int i = 0; i < N; ++i) kept[k].v[i] = kept[k].v[i] * rstd * weights.v[i];
    store<N>(y + row + at, kept[k]);
  }
}

// Rows blockIdx.x, blockIdx.x + gridDim.x, ...; `partial` (gridDim.x, width) gets the sums over them of dy n.
template <class X, class W, int N, int K>
__global__ void norm_backward_kernel(const X* x, const W* w, const float* rstd_in, const X* dy, X* dx, float* partial, int64_t tokens,
                                     int width) {
  Floats<N> sums[K] = {};
  for (int64_t t = blockIdx.x; t < tokens; t += gridDim.x) {
    const int64_t row = t * width;
    const float rstd = rstd_in[t];
    Floats<N> normed[K], gradient[K];
    float sum = 0;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      const int at = (k * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * N;
      if (at >= width) continue;
      normed[k] = load<N>(x + row + at);
      gradient[k] = load<N>(dy + row + at);
      const Floats<N> weights = load<N>(w + at);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        normed[k].v[i] *= rstd;
        sums[k].v[i] += gradient[k].v[i] * normed[k].v[i];
        gradient[k].v[i] *= weights.v[i];
        sum += gradient[k].v[i] * normed[k].v[i];
      }
    }
    const float mean = block_reduce(sum) / static_cast<float>(width);
#pragma unroll
    for (int k = 0; k < K; ++k) {
      const int at = (k * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * N;
      if (at >= width) continue;
      Floats<N> result = load<N>(dx + row + at);
#pragma unroll
      for (int i = 0; i < N; ++i) result.v[i] += rstd * (gradient[k].v[i] - normed[k].v[i] * mean);
      store<N>(dx + row + at, result);
    }
  }
#pragma unroll
  for (int k = 0; k < K; ++k) {
    const int at = (k * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * N;
    if (at < width) store<N>(partial + static_cast<int64_t>(blockIdx.x) * width + at, sums[k]);
  }
}

constexpr int kSumColumns = 32, kSumRows = 16;  // Of a block of sum_partials.

// dw += the sum over `rows` of partial: each of kSumRows threads a fixed share of the rows, then their sums in order.
template <class W>
__global__ void sum_partials(const float* partial, W* dw, int rows, int width) {
  __shared__ float sums[kSumRows][kSumColumns];
  const int column = static_cast<int>(blockIdx.x) * kSumColumns + static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int row = static_cast<int>(threadIdx.y); column < width && row < rows; row += kSumRows)
    sum += partial[static_cast<int64_t>(row) * width + column];
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || column >= width) return;
  for (int row = 1; row < kSumRows; ++row) sum += sums[row][threadIdx.x];
  dw[column] = from_float<W>(to_float(dw[column]) + sum);
}

// Calls body.operator()<N, K>(threads) for packs of N, K of them for each thread of a row.
template <class Body>
void with_row(int64_t width, std::initializer_list<const void*> tensors, const Body& body) {
  CHECK(width <= kWidest, "rows of {}; this kernel takes up to {}", width, kWidest);
  if (!is_packed(width, 8, tensors))
    return body.template operator()<1, 32>(threads_of((width + 31) / 32, 1024));
  if (width <= 8 * 2 * 1024) return body.template operator()<8, 2>(threads_of((width / 8 + 1) / 2, 1024));
  body.template operator()<8, 4>(threads_of((width / 8 + 3) / 4, 1024));
}

}  // namespace

void run(Cuda& cuda, const RmsNorm& op) {
  if (op.x.dim(0) == 0) return;
  const int width = static_cast<int>(op.x.dim(1));
  CHECK(op.y.dtype == op.x.dtype, "x {}, y {}", op.x.str(), op.y.str());
  with_type<DType::kBF16, DType::kF32>(op.x.dtype, [&]<class X>() {
    with_type<DType::kBF16, DType::kF32, DType::kF16>(op.w.dtype, [&]<class W>() {
      with_row(width, {op.x.data, op.w.data, op.y.data}, [&]<int N, int K>(unsigned threads) {
        norm_kernel<X, W, X, N, K><<<static_cast<unsigned>(op.x.dim(0)), threads, 0, cuda.state().stream>>>(
            gpu_data<X>(op.x), gpu_data<W>(op.w), gpu_data<X>(op.y), gpu_data<float>(op.rstd), width, static_cast<float>(op.eps));
      });
    });
  });
  CUDA_CHECK_LAUNCH();
}

void run(Cuda& cuda, const RmsNormBackward& op) {
  const int64_t tokens = op.x.dim(0);
  if (tokens == 0) return;
  const int width = static_cast<int>(op.x.dim(1));
  CHECK(op.dy.dtype == op.x.dtype && op.dx.dtype == op.x.dtype, "x {}, dy {}, dx {}", op.x.str(), op.dy.str(), op.dx.str());
  const int64_t blocks = std::min<int64_t>(tokens, 4 * cuda.state().num_multiprocessors());
  float* partial = reinterpret_cast<float*>(cuda.scratch(static_cast<size_t>(blocks * width) * sizeof(float)));
  const cudaStream_t stream = cuda.state().stream;
  with_type<DType::kBF16, DType::kF32>(op.x.dtype, [&]<class X>() {
    with_type<DType::kBF16, DType::kF32, DType::kF16>(op.w.dtype, [&]<class W>() {
      with_row(width, {op.x.data, op.w.data, op.dy.data, op.dx.data}, [&]<int N, int K>(unsigned threads) {
        norm_backward_kernel<X, W, N, K><<<static_cast<unsigned>(blocks), threads, 0, stream>>>(
            gpu_data<X>(op.x), gpu_data<W>(op.w), gpu_data<float>(op.rstd), gpu_data<X>(op.dy), gpu_data<X>(op.dx), partial, tokens, width);
      });
    });
  });
  CUDA_CHECK_LAUNCH();
  with_type<DType::kF32, DType::kBF16>(op.dw.dtype, [&]<class W>() {
    sum_partials<<<blocks_of(width, kSumColumns), dim3(kSumColumns, kSumRows), 0, stream>>>(partial, gpu_data<W>(op.dw), static_cast<int>(blocks),
                                                                                           width);
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
