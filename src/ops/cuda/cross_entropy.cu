// The head and the loss, a chunk of rows at a time: the chunk's logits in f32, and in their place their own
// gradient, in the type of the activations. Rows that do not count cost their part of the products, and
// nothing else: how many they are is not known here without waiting for the GPU.
#include "ops/cross_entropy.h"
#include "ops/cuda/matmul.h"
#include "ops/cuda/softmax.cuh"

namespace poro {
namespace {

constexpr int kThreads = 512;
constexpr int64_t kLogitBytes = int64_t{512} << 20;  // Of a chunk.

// Rows of a chunk: as many as fit, a multiple of the products' tiles.
int64_t chunk_rows(int64_t vocab, int64_t tokens) {
  const int64_t rows = kLogitBytes / (vocab * static_cast<int64_t>(sizeof(float))) / 128 * 128;
  return std::min(std::max<int64_t>(rows, 128), tokens);
}

struct Targets {
  const int32_t* ids;  // Of the chunk.
  int64_t first_id, vocab;

  // Its logit; 0 when it is not among the rows.
  __device__ double logit(const float* row, int64_t t) const {
    const int64_t target = ids[t] - first_id;
    return target >= 0 && target < vocab ? static_cast<double>(row[target]) : 0.0;
  }
};

template <class P, int N>
__global__ void __launch_bounds__(kThreads, 3)
    target_log_probs_kernel(const float* logits, Targets targets, P* logp, double* lse) {
  const int64_t t = blockIdx.x;
  if (targets.ids[t] < 0) {
    if (threadIdx.x == 0) {
      logp[t] = static_cast<P>(0.0);
      if (lse != nullptr) lse[t] = 0;
    }
    return;
  }
  const float* row = logits + t * targets.vocab;
  const double denominator = row_denominator<N>(row, targets.vocab).log();
  if (threadIdx.x > 0) return;
  const double logit = targets.logit(row, t);
  logp[t] = static_cast<P>(lse != nullptr ? logit : logit - denominator);
  if (lse != nullptr) lse[t] = denominator;
}

// Turns each row of logits into coefficient (softmax - onehot), in X from the row's beginning on.
template <class X, class P, int N>
__global__ void __launch_bounds__(kThreads, 3)
    cross_entropy_kernel(float* logits, Targets targets, const double* coefficients, P* logp,
                         const double* lse) {
  const int64_t t = blockIdx.x, vocab = targets.vocab, target = targets.ids[t] - targets.first_id;
  float* row = logits + t * vocab;
  X* to = reinterpret_cast<X*>(row);
  const double coefficient = coefficients[t];
  const bool counts = coefficient != 0;
  double denominator = 0;
  if (counts) denominator = lse != nullptr ? lse[t] : row_denominator<N>(row, vocab).log();
  if (logp != nullptr && threadIdx.x == 0)
    logp[t] = static_cast<P>(counts ? targets.logit(row, t) - denominator : 0.0);
  __syncthreads();  // The target's logit has been read.
  const float shift = static_cast<float>(denominator), scale = static_cast<float>(coefficient);
  // A tile of columns is read by all threads before one writes to where it, or the next one, lies.
  for (int64_t tile = 0; tile < vocab; tile += int64_t{kThreads} * N) {
    const int64_t at = tile + static_cast<int64_t>(threadIdx.x) * N, left = vocab - at;
    Floats<N> x{};
    if (counts && left > 0) {
      x = left >= N ? load<N>(row + at) : load_some<N>(row + at, left);
#pragma unroll
      for (int i = 0; i < N; ++i)
        x.v[i] = scale * (__expf(x.v[i] - shift) - (at + i == target ? 1.0f : 0.0f));
    }
    __syncthreads();
    if (left >= N)
      store<N>(to + at, x);
    else if (left > 0)
      store_some<N>(to + at, left, x);
  }
}

// The logits of `count` rows from `first` on.
void make_logits(Cuda& cuda, const Tensor& hidden, const void* head, int64_t first, int64_t count,
                 int64_t vocab, float* logits) {
  const Tensor rows = hidden.rows(first, count);
  matmul(cuda, {.rows = count,
                .columns = vocab,
                .depth = hidden.dim(1),
                .a = {.data = rows.data, .stride = hidden.dim(1)},
                .b = {.data = head, .stride = hidden.dim(1), .stored = Stored::kTransposed},
                .operands = hidden.dtype,
                .y = logits,
                .result = DType::kF32});
}

// Scratch memory: the head in the activations' type, if it is not, then the logits of a chunk.
struct HeadScratch {
  HeadScratch(Cuda& cuda, const Tensor& hidden, const Matrix& head)
      : rows(chunk_rows(head.outputs(), hidden.dim(0))) {
    CHECK(!head.is_quantised(), "quantised weights have no training pass");
    CHECK(hidden.place == Place::kGpu, "{} is not on the GPU", hidden.str());
    const size_t head_bytes = values_scratch(head.values, hidden.dtype);
    std::byte* scratch =
        cuda.scratch(head_bytes + static_cast<size_t>(rows * head.outputs()) * sizeof(float));
    values = values_as(cuda, head.values, hidden.dtype, scratch);
    logits = reinterpret_cast<float*>(scratch + head_bytes);
  }
  int64_t rows;
  const void* values;
  float* logits;
};

// Calls body.operator()<N>() with the elements that rows of logits may be read in.
template <class Body>
void with_pack(int64_t vocab, const Body& body) {
  if (vocab % 8 == 0) return body.template operator()<8>();
  body.template operator()<1>();
}

// gpu_data, or null for a tensor that is not there.
template <class T>
T* rows_of(const Tensor& tensor, int64_t first) {
  return tensor ? gpu_data<T>(tensor) + first : nullptr;
}

}  // namespace

void run(Cuda& cuda, const TargetLogProbs& op) {
  const int64_t tokens = op.hidden.dim(0), vocab = op.head.outputs();
  if (tokens == 0) return;
  const HeadScratch scratch(cuda, op.hidden, op.head);
  for (int64_t first = 0; first < tokens; first += scratch.rows) {
    const int64_t count = std::min(scratch.rows, tokens - first);
    make_logits(cuda, op.hidden, scratch.values, first, count, vocab, scratch.logits);
    const Targets targets{
        .ids = gpu_data<int32_t>(op.targets) + first, .first_id = op.first_id, .vocab = vocab};
    with_type<DType::kF32, DType::kF64>(op.logp.dtype, [&]<class P>() {
      with_pack(vocab, [&]<int N>() {
        target_log_probs_kernel<P, N><<<static_cast<unsigned>(count), kThreads, 0, cuda.state().stream>>>(
            scratch.logits, targets, gpu_data<P>(op.logp) + first, rows_of<double>(op.lse, first));
      });
    });
    CUDA_CHECK_LAUNCH();
  }
}

void run(Cuda& cuda, const CrossEntropyBackward& op) {
  const int64_t tokens = op.hidden.dim(0), vocab = op.head.outputs(), width = op.hidden.dim(1);
  if (tokens == 0) return;
  CHECK(op.dhidden.dtype == op.hidden.dtype, "hidden {}, dhidden {}", op.hidden.str(), op.dhidden.str());
  const HeadScratch scratch(cuda, op.hidden, op.head);
  const DType dtype = op.hidden.dtype;
  const int64_t stride =
      vocab * dtype_bits(DType::kF32) / dtype_bits(dtype);  // Of the gradients, where the logits were.
  for (int64_t first = 0; first < tokens; first += scratch.rows) {
    const int64_t count = std::min(scratch.rows, tokens - first);
    make_logits(cuda, op.hidden, scratch.values, first, count, vocab, scratch.logits);
    const Targets targets{
        .ids = gpu_data<int32_t>(op.targets) + first, .first_id = op.first_id, .vocab = vocab};
    with_type<DType::kBF16, DType::kF32>(dtype, [&]<class X>() {
      with_type<DType::kF32, DType::kF64>(op.logp ? op.logp.dtype : DType::kF32, [&]<class P>() {
        with_pack(vocab, [&]<int N>() {
          cross_entropy_kernel<X, P, N><<<static_cast<unsigned>(count), kThreads, 0, cuda.state().stream>>>(
              scratch.logits, targets, gpu_data<double>(op.coefficients) + first, rows_of<P>(op.logp, first),
              rows_of<double>(op.lse, first));
        });
      });
    });
    CUDA_CHECK_LAUNCH();
    matmul(cuda, {.rows = count,
                  .columns = width,
                  .depth = vocab,
                  .a = {.data = scratch.logits, .stride = stride},
                  .b = {.data = scratch.values, .stride = width},
                  .operands = dtype,
                  .y = op.dhidden.rows(first, count).data,
                  .result = dtype});
    matmul(cuda, {.rows = vocab,
                  .columns = width,
                  .depth = count,
                  .a = {.data = scratch.logits, .stride = stride, .stored = Stored::kTransposed},
                  .b = {.data = op.hidden.rows(first, count).data, .stride = width},
                  .operands = dtype,
                  .y = op.dhead.data,
                  .result = op.dhead.dtype,
                  .add = op.dhead.data});
  }
}

}  // namespace poro
