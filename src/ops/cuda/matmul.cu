#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <span>
#include <vector>

#include "ops/convert.h"
#include "ops/cuda/matmul.h"
#include "ops/gpu_limits.h"

namespace poro {
namespace {

cudaDataType_t blas_type(DType dtype) {
  if (dtype == DType::kF8) return CUDA_R_8F_E4M3;
  CHECK(dtype == DType::kBF16 || dtype == DType::kF32, "no product of {}", dtype_name(dtype));
  return dtype == DType::kBF16 ? CUDA_R_16BF : CUDA_R_32F;
}

// The power of two that `data` is a multiple of, 256 at most.
uint32_t alignment_of(const void* data) {
  const uint32_t low = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(data)) | 256u;
  return low & (~low + 1);
}

// All that the choice of an algorithm depends on.
using Key = std::array<int64_t, 15>;

Key key_of(const Matmul& m) {
  return {m.rows,
          m.columns,
          m.depth,
          m.a.stride,
          m.b.stride,
          static_cast<int64_t>(m.a.stored),
          static_cast<int64_t>(m.b.stored),
          static_cast<int64_t>(m.operands),
          static_cast<int64_t>(m.result),
          m.add != nullptr,
          m.y_stride,
          alignment_of(m.a.data),
          alignment_of(m.b.data),
          alignment_of(m.y),
          alignment_of(m.add)};
}

__global__ void compare(const uint4* a, const uint4* b, size_t count, int* differs) {
  for (size_t i = blockIdx.x * size_t{blockDim.x} + threadIdx.x; i < count;
       i += size_t{gridDim.x} * blockDim.x)
    if (a[i].x != b[i].x || a[i].y != b[i].y || a[i].z != b[i].z || a[i].w != b[i].w) *differs = 1;
}

// cuBLAS counts columns first, so it sees every matrix transposed: y^T = b^T a^T, and its first operand is b.
class Plan {
 public:
  Plan(Cuda::State& state, const Matmul& m) {
    CUBLAS_CHECK(cublasLtMatmulDescCreate(&description_, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    const cublasOperation_t first = m.b.stored == Stored::kAsUsed ? CUBLAS_OP_N : CUBLAS_OP_T;
    const cublasOperation_t second = m.a.stored == Stored::kAsUsed ? CUBLAS_OP_N : CUBLAS_OP_T;
    CUBLAS_CHECK(
        cublasLtMatmulDescSetAttribute(description_, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first));
    CUBLAS_CHECK(
        cublasLtMatmulDescSetAttribute(description_, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second));
    layout(first_, m.operands, first == CUBLAS_OP_N ? m.columns : m.depth,
           first == CUBLAS_OP_N ? m.depth : m.columns, m.b.stride);
    layout(second_, m.operands, second == CUBLAS_OP_N ? m.depth : m.rows,
           second == CUBLAS_OP_N ? m.rows : m.depth, m.a.stride);
    layout(result_, m.result, m.columns, m.rows, m.y_stride != 0 ? m.y_stride : m.columns);
    if (m.operands == DType::kF8) {
      const int32_t scales = CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F;
      const int8_t fast =
          1;  // Sums of fp8 products in the tensor cores' own precision between additions in f32.
      CUBLAS_CHECK(cublasLtMatmulDescSetAttribute(description_, CUBLASLT_MATMUL_DESC_A_SCALE_MODE, &scales,
                                                  sizeof scales));
      CUBLAS_CHECK(cublasLtMatmulDescSetAttribute(description_, CUBLASLT_MATMUL_DESC_B_SCALE_MODE, &scales,
                                                  sizeof scales));
      CUBLAS_CHECK(
          cublasLtMatmulDescSetAttribute(description_, CUBLASLT_MATMUL_DESC_FAST_ACCUM, &fast, sizeof fast));
      set_scales(m);
    }
    choose(state, m);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() {
    cublasLtMatmulDescDestroy(description_);
    for (const cublasLtMatrixLayout_t matrix : {first_, second_, result_})
      cublasLtMatrixLayoutDestroy(matrix);
  }

  void run(Cuda::State& state, const Matmul& m) {
    if (m.operands == DType::kF8) set_scales(m);
    if (++uses_ == kUsesBeforeMeasuring && algorithms_.size() > 1) measure(state, m);
    run(state, m, algorithms_.front(), m.y);
  }

 private:
  struct Algorithm {
    cublasLtMatmulAlgo_t value;
  };
  static constexpr int kRounds = 3, kMostAlgorithms = 8;

  void run(Cuda::State& state, const Matmul& m, const Algorithm& algorithm, void* y) const {
    const float one = 1.0f, beta = m.add != nullptr ? 1.0f : 0.0f;
    CUBLAS_CHECK(cublasLtMatmul(state.blas, description_, &one, m.b.data, first_, m.a.data, second_, &beta,
                                m.add != nullptr ? m.add : y, result_, y, result_, &algorithm.value,
                                state.blas_workspace, Cuda::State::kBlasWorkspaceBytes, state.stream));
  }

  // Puts the fastest algorithm first, of those that give the first one's bits. Results go to memory beside,
  // if there is any.
  void measure(Cuda::State& state, const Matmul& m) {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    CUDA_CHECK(cudaStreamIsCapturing(state.stream, &status));
    const size_t bytes = static_cast<size_t>(m.rows * m.columns * dtype_bits(m.result) / 8),
                 room = (bytes + 255) / 256 * 256;
    std::byte* memory = nullptr;
    if (status != cudaStreamCaptureStatusNone || bytes % sizeof(uint4) != 0 ||
        (m.y_stride != 0 && m.y_stride != m.columns))
      return;
    if (cudaMalloc(&memory, 2 * room + sizeof(int)) != cudaSuccess) return void(cudaGetLastError());
    int* differs = reinterpret_cast<int*>(memory + 2 * room);
    run(state, m, algorithms_.front(), memory);
    std::vector<Algorithm> equal = {algorithms_.front()};
    for (size_t i = 1; i < algorithms_.size(); ++i) {
      CUDA_CHECK(cudaMemsetAsync(differs, 0, sizeof(int), state.stream));
      run(state, m, algorithms_[i], memory + room);
      compare<<<2048, 256, 0, state.stream>>>(reinterpret_cast<const uint4*>(memory),
                                              reinterpret_cast<const uint4*>(memory + room),
                                              bytes / sizeof(uint4), differs);
      CUDA_CHECK_LAUNCH();
      int found = 0;
      CUDA_CHECK(cudaMemcpyAsync(&found, differs, sizeof found, cudaMemcpyDeviceToHost, state.stream));
      CUDA_CHECK(cudaStreamSynchronize(state.stream));
      if (found == 0) equal.push_back(algorithms_[i]);
    }
    algorithms_ = {equal[fastest(state, m, equal, memory)]};
    CUDA_CHECK(cudaFree(memory));
  }

  size_t fastest(Cuda::State& state, const Matmul& m, const std::vector<Algorithm>& algorithms,
                 void* y) const {
    cudaEvent_t begin = nullptr, end = nullptr;
    CUDA_CHECK(cudaEventCreate(&begin));
    CUDA_CHECK(cudaEventCreate(&end));
    std::vector<float> best(algorithms.size(), std::numeric_limits<float>::infinity());
    for (int round = 0; round < kRounds; ++round)
      for (size_t i = 0; i < algorithms.size(); ++i) {
        CUDA_CHECK(cudaEventRecord(begin, state.stream));
        run(state, m, algorithms[i], y);
        CUDA_CHECK(cudaEventRecord(end, state.stream));
        CUDA_CHECK(cudaEventSynchronize(end));
        float milliseconds = 0;
        CUDA_CHECK(cudaEventElapsedTime(&milliseconds, begin, end));
        best[i] = std::min(best[i], milliseconds);
      }
    CUDA_CHECK(cudaEventDestroy(begin));
    CUDA_CHECK(cudaEventDestroy(end));
    return static_cast<size_t>(std::min_element(best.begin(), best.end()) - best.begin());
  }

  void set_scales(const Matmul& m) const {
    CUBLAS_CHECK(cublasLtMatmulDescSetAttribute(description_, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER,
                                                &m.b_scales, sizeof m.b_scales));
    CUBLAS_CHECK(cublasLtMatmulDescSetAttribute(description_, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER,
                                                &m.a_scales, sizeof m.a_scales));
  }

  static void layout(cublasLtMatrixLayout_t& matrix, DType dtype, int64_t rows, int64_t columns,
                     int64_t stride) {
    CUBLAS_CHECK(cublasLtMatrixLayoutCreate(&matrix, blas_type(dtype), static_cast<uint64_t>(rows),
                                            static_cast<uint64_t>(columns), stride));
  }

  void choose(Cuda::State& state, const Matmul& m) {
    cublasLtMatmulPreference_t wish = nullptr;
    CUBLAS_CHECK(cublasLtMatmulPreferenceCreate(&wish));
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      CUBLAS_CHECK(cublasLtMatmulPreferenceSetAttribute(wish, attribute, &value, sizeof value));
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, Cuda::State::kBlasWorkspaceBytes);
    // Parts of a sum in f32, in order; not in the result's type.
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(m.b.data));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(m.a.data));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(m.add != nullptr ? m.add : m.y));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(m.y));
    std::array<cublasLtMatmulHeuristicResult_t, kMostAlgorithms> found{};
    int count = 0;
    CUBLAS_CHECK(cublasLtMatmulAlgoGetHeuristic(state.blas, description_, first_, second_, result_, result_,
                                                wish, kMostAlgorithms, found.data(), &count));
    CHECK(count > 0, "cuBLAS knows no product of ({}, {}) and ({}, {}) in {}", m.rows, m.depth, m.depth,
          m.columns, dtype_name(m.operands));
    for (const auto& one : std::span(found).first(static_cast<size_t>(count)))
      if (one.state == CUBLAS_STATUS_SUCCESS && parts_of_sum(one.algo) == parts_of_sum(found[0].algo))
        algorithms_.push_back({one.algo});
    cublasLtMatmulPreferenceDestroy(wish);
  }

  static int32_t parts_of_sum(const cublasLtMatmulAlgo_t& algorithm) {
    int32_t parts = 0;
    size_t written = 0;
    CUBLAS_CHECK(cublasLtMatmulAlgoConfigGetAttribute(&algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &parts,
                                                      sizeof parts, &written));
    return parts;
  }

  cublasLtMatmulDesc_t description_ = nullptr;
  cublasLtMatrixLayout_t first_ = nullptr, second_ = nullptr, result_ = nullptr;
  std::vector<Algorithm> algorithms_;  // The first is used.
  int uses_ = 0;
};

using Plans = std::map<Key, Plan>;

}  // namespace

void matmul(Cuda& cuda, const Matmul& m) {
  Cuda::State& state = cuda.state();
  if (state.matmul_plans == nullptr) state.matmul_plans = std::make_shared<Plans>();
  Plans& plans = *static_cast<Plans*>(state.matmul_plans.get());
  const Key key = key_of(m);
  auto plan = plans.find(key);
  if (plan == plans.end()) plan = plans.try_emplace(key, state, m).first;
  plan->second.run(state, m);
}

const void* values_as(Cuda& cuda, const Tensor& values, DType dtype, std::byte* scratch) {
  CHECK(values.place == Place::kGpu, "{} is not on the GPU", values.str());
  if (values.dtype == dtype) return values.data;
  run(cuda, Convert{.from = values,
                    .to = {.data = scratch, .dtype = dtype, .shape = values.shape, .place = Place::kGpu}});
  return scratch;
}

size_t values_scratch(const Tensor& values, DType dtype) {
  if (values.dtype == dtype) return 0;
  return (static_cast<size_t>(values.elements()) * static_cast<size_t>(dtype_bits(dtype) / 8) + 255) / 256 *
         256;
}

}  // namespace poro
