// One block for a row, which stays in registers between the sum and the product. The gradient of the weights
// is summed in two fixed steps: over the rows of a block, in its registers, and over the blocks.
#include "ops/cuda/overlap.cuh"
#include "ops/cuda/vector.cuh"
#include "ops/norm.h"

namespace poro {
namespace {

constexpr int kMostThreads = 512;  // Of a row.

// A thread's packs of a row, as they lie in memory; zeros behind its end.
template <class T, int N, int K>
struct RowPart {
  Pack<T, N> packs[K];

  // The column of pack k.
  static __device__ __forceinline__ int column(int k) {
    return (k * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)) * N;
  }
  __device__ __forceinline__ void load(const T* row, int width) {
#pragma unroll
    for (int k = 0; k < K; ++k) packs[k] = column(k) < width ? load_pack<N>(row + column(k)) : Pack<T, N>{};
  }
};

template <class X, class W, int N, int K>
__global__ void __launch_bounds__(kMostThreads)
    norm_kernel(const X* x, const W* w, X* y, float* rstd_out, int width, float eps) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * width;
  RowPart<X, N, K> kept;
  RowPart<W, N, K> weights;
  let_next_kernel_start();
  wait_for_previous_kernel();
  kept.load(x + row, width);
  weights.load(w, width);
  float sum = 0;
#pragma unroll
  for (int k = 0; k < K; ++k) {
    const Floats<N> values = to_floats(kept.packs[k]);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += values.v[i] * values.v[i];
  }
  const float rstd = 1.0f / sqrtf(block_reduce(sum) / static_cast<float>(width) + eps);
  if (rstd_out != nullptr && threadIdx.x == 0) rstd_out[blockIdx.x] = rstd;
#pragma unroll
  for (int k = 0; k < K; ++k) {
    Floats<N> values = to_floats(kept.packs[k]);
    const Floats<N> factors = to_floats(weights.packs[k]);
#pragma unroll
    for (int i = 0; i < N; ++i) values.v[i] = values.v[i] * rstd * factors.v[i];
    if (kept.column(k) < width) store<N>(y + row + kept.column(k), values);
  }
}

template <class X>
struct NormGradient {
  const X *x, *dy;
  const float* rstd;
  X* dx;
  float* partial;  // (blocks, width): the sums over the rows of a block of dy n.
  int64_t tokens;
  int width;
};

// What a row's gradient needs from memory.
template <class X, int N, int K>
struct GradientRow {
  RowPart<X, N, K> x, dy, dx;
  float rstd;

  __device__ __forceinline__ void load(const NormGradient<X>& g, int64_t t) {
    if (t >= g.tokens) return;
    x.load(g.x + t * g.width, g.width);
    dy.load(g.dy + t * g.width, g.width);
    dx.load(g.dx + t * g.width, g.width);
    rstd = g.rstd[t];
  }
};

// A block takes rows blockIdx.x, blockIdx.x + gridDim.x, ...; the next is on its way while one is worked on.
template <class X, class W, int N, int K>
__global__ void __launch_bounds__(kMostThreads) norm_backward_kernel(NormGradient<X> g, const W* w) {
  Floats<N> sums[K] = {};
  RowPart<W, N, K> weights;
  weights.load(w, g.width);
  GradientRow<X, N, K> row, next;
  row.load(g, blockIdx.x);
  for (int64_t t = blockIdx.x; t < g.tokens; t += gridDim.x) {
    next.load(g, t + gridDim.x);
    float sum = 0;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      const Floats<N> x = to_floats(row.x.packs[k]), dy = to_floats(row.dy.packs[k]),
                      factors = to_floats(weights.packs[k]);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const float product = dy.v[i] * (x.v[i] * row.rstd);
        sums[k].v[i] += product;
        sum += product * factors.v[i];
      }
    }
    const float mean = block_reduce(sum) / static_cast<float>(g.width);
#pragma unroll
    for (int k = 0; k < K; ++k) {
      const Floats<N> x = to_floats(row.x.packs[k]), dy = to_floats(row.dy.packs[k]),
                      factors = to_floats(weights.packs[k]);
      Floats<N> dx = to_floats(row.dx.packs[k]);
#pragma unroll
      for (int i = 0; i < N; ++i) dx.v[i] += row.rstd * (dy.v[i] * factors.v[i] - x.v[i] * row.rstd * mean);
      if (row.x.column(k) < g.width) store<N>(g.dx + t * g.width + row.x.column(k), dx);
    }
    row = next;
  }
  float* partial = g.partial + static_cast<int64_t>(blockIdx.x) * g.width;
#pragma unroll
  for (int k = 0; k < K; ++k)
    if (row.x.column(k) < g.width) store<N>(partial + row.x.column(k), sums[k]);
}

constexpr int kSumColumns = 32, kSumRows = 16;  // Of a block of sum_partials.

// dw += the sum over `rows` of partial: each of kSumRows threads a fixed share of the rows, then their sums
// in order.
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

// Calls body.operator()<N, K>(threads): packs of N, K of them for each thread of a row, Fewest or more. They
// follow from the width alone, so that a row has the same bits whatever stands beside it.
template <int Fewest, class Body>
void with_row(int64_t width, std::initializer_list<const void*> tensors, const Body& body) {
  const auto launch = [&]<int N, int K>() {
    CHECK(width <= int64_t{N} * K * kMostThreads, "rows of {}; this kernel takes up to {}", width,
          N * K * kMostThreads);
    body.template operator()<N, K>(threads_of((width + N * K - 1) / (N * K), kMostThreads));
  };
  if (!is_packed(width, 8, tensors)) return launch.template operator()<1, 16>();
  if (width <= int64_t{8} * Fewest * kMostThreads) return launch.template operator()<8, Fewest>();
  launch.template operator()<8, 8>();
}

// Blocks of a kernel that fit the GPU at once.
template <class Kernel>
int64_t resident_blocks(Cuda& cuda, Kernel kernel, unsigned threads) {
  int each = 0;
  CUDA_CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, static_cast<int>(threads), 0));
  return int64_t{each} * cuda.state().num_multiprocessors();
}

}  // namespace

void run(Cuda& cuda, const RmsNorm& op) {
  if (op.x.dim(0) == 0) return;
  const int width = static_cast<int>(op.x.dim(1));
  CHECK(op.y.dtype == op.x.dtype, "x {}, y {}", op.x.str(), op.y.str());
  with_type<DType::kBF16, DType::kF32>(op.x.dtype, [&]<class X>() {
    with_type<DType::kBF16, DType::kF32, DType::kF16>(op.w.dtype, [&]<class W>() {
      with_row<4>(width, {op.x.data, op.w.data, op.y.data}, [&]<int N, int K>(unsigned threads) {
        launch(cuda, norm_kernel<X, W, N, K>, op.rstd ? Overlap::kNone : Overlap::kPrevious,
               {.blocks = static_cast<unsigned>(op.x.dim(0)), .threads = threads}, gpu_data<const X>(op.x),
               gpu_data<const W>(op.w), gpu_data<X>(op.y), gpu_data<float>(op.rstd), width,
               static_cast<float>(op.eps));
      });
    });
  });
  CUDA_CHECK_LAUNCH();
}

void run(Cuda& cuda, const RmsNormBackward& op) {
  const int64_t tokens = op.x.dim(0);
  if (tokens == 0) return;
  const int width = static_cast<int>(op.x.dim(1));
  CHECK(op.dy.dtype == op.x.dtype && op.dx.dtype == op.x.dtype, "x {}, dy {}, dx {}", op.x.str(), op.dy.str(),
        op.dx.str());
  const cudaStream_t stream = cuda.state().stream;
  int64_t blocks = 0;
  float* partial = nullptr;
  with_type<DType::kBF16, DType::kF32>(op.x.dtype, [&]<class X>() {
    with_type<DType::kBF16, DType::kF32, DType::kF16>(op.w.dtype, [&]<class W>() {
      with_row<2>(width, {op.x.data, op.w.data, op.dy.data, op.dx.data}, [&]<int N, int K>(unsigned threads) {
        const auto kernel = norm_backward_kernel<X, W, N, K>;
        blocks = std::min(tokens, resident_blocks(cuda, kernel, threads));
        partial = reinterpret_cast<float*>(cuda.scratch(static_cast<size_t>(blocks * width) * sizeof(float)));
        kernel<<<static_cast<unsigned>(blocks), threads, 0, stream>>>({.x = gpu_data<X>(op.x),
                                                                       .dy = gpu_data<X>(op.dy),
                                                                       .rstd = gpu_data<float>(op.rstd),
                                                                       .dx = gpu_data<X>(op.dx),
                                                                       .partial = partial,
                                                                       .tokens = tokens,
                                                                       .width = width},
                                                                      gpu_data<W>(op.w));
      });
    });
  });
  CUDA_CHECK_LAUNCH();
  with_type<DType::kF32, DType::kBF16>(op.dw.dtype, [&]<class W>() {
    sum_partials<<<blocks_of(width, kSumColumns), dim3(kSumColumns, kSumRows), 0, stream>>>(
        partial, gpu_data<W>(op.dw), static_cast<int>(blocks), width);
  });
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
