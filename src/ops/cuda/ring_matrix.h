// Matrices and activations as the kernels of ops/cuda/weight_ring.h take them, and the choice of the format.
#pragma once

#include "ops/cuda/weight_ring.h"
#include "ops/matrix.h"

namespace poro::few_rows {

inline int64_t row_bytes(const Matrix& w) {
  return w.is_quantised() ? w.values.dim(1) : w.values.dim(1) * dtype_bits(w.values.dtype) / 8;
}

inline Weights ring_weights(const Matrix& w) {
  return {.values = w.values.data,
          .scales = gpu_data<float>(w.scales),
          .pitch = row_bytes(w),
          .outputs = w.outputs()};
}

// Whether the ring can be used at all: bf16 activations and whole chunks.
inline bool fits_ring(Cuda& cuda, const Tensor& x, const Matrix& w) {
  const auto is_aligned = [](const std::byte* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; };
  return cuda.state().capability() >= 90 && x.dtype == DType::kBF16 && x.dim(0) <= kMaxTokens &&
         x.dim(1) % 8 == 0 && is_aligned(x.data) && is_aligned(w.values.data) &&
         (w.is_quantised() || w.dtype() == DType::kBF16) &&
         (w.dtype() == DType::kI4 ? x.dim(1) % GpuInt4::kColumns == 0 : row_bytes(w) % kChunkBytes == 0);
}

inline Shared ring_shared(const Tensor& x, const Matrix& w, int64_t num_tiles) {
  return {.x = gpu_data<const __nv_bfloat16>(x),
          .tokens = static_cast<int>(x.dim(0)),
          .inputs = static_cast<int>(x.dim(1)),
          .x_stride = static_cast<int>(x.dim(1)),
          .chunks = static_cast<int>(w.dtype() == DType::kI4
                                         ? row_bytes(w) * GpuInt4::kPanelRows / GpuInt4::kUnitBytes
                                         : (row_bytes(w) + kUnitChunks * kChunkBytes - 1) /
                                               (kUnitChunks * kChunkBytes)) *
                    kUnitChunks,
          .num_tiles = static_cast<int>(num_tiles)};
}

// Launches the kernel for the format of `dtype` and the number of tokens; false when there is none.
template <class Work>
bool launch_for(DType dtype, Cuda& cuda, const Work& work) {
  switch (dtype) {
    case DType::kBF16:
      return launch<WeightFormat<DType::kBF16>>(cuda, work);
    case DType::kF8:
      return launch<WeightFormat<DType::kF8>>(cuda, work);
    case DType::kI8:
      return launch<WeightFormat<DType::kI8>>(cuda, work);
    case DType::kI4:
      return launch<WeightFormat<DType::kI4>>(cuda, work);
    default:
      return false;
  }
}

}  // namespace poro::few_rows
