#include <array>
#include <map>

#include "ops/convert.h"
#include "ops/cuda/matmul.h"

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

  void run(Cuda::State& state, const Matmul& m) const {
    if (m.operands == DType::kF8) set_scales(m);
    const float one = 1.0f, beta = m.add != nullptr ? 1.0f : 0.0f;
    CUBLAS_CHECK(cublasLtMatmul(state.blas, description_, &one, m.b.data, first_, m.a.data, second_, &beta,
                                m.add != nullptr ? m.add : m.y, result_, m.y, result_, &algorithm_,
                                state.blas_workspace, Cuda::State::kBlasWorkspaceBytes, state.stream));
  }

 private:
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
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    CUBLAS_CHECK(cublasLtMatmulAlgoGetHeuristic(state.blas, description_, first_, second_, result_, result_,
                                                wish, 1, &best, &found));
    CHECK(found == 1, "cuBLAS knows no product of ({}, {}) and ({}, {}) in {}", m.rows, m.depth, m.depth,
          m.columns, dtype_name(m.operands));
    algorithm_ = best.algo;
    cublasLtMatmulPreferenceDestroy(wish);
  }

  cublasLtMatmulDesc_t description_ = nullptr;
  cublasLtMatrixLayout_t first_ = nullptr, second_ = nullptr, result_ = nullptr;
  cublasLtMatmulAlgo_t algorithm_{};
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
