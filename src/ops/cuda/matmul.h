// Products of matrices by cuBLASLt, row-major. The algorithms for a shape are asked for once, without those
// whose sums depend on chance. The first is taken, and when a shape has come often enough to be worth it, the
// fastest that gives the same bits.
#pragma once

#include "base/cuda/state.h"

namespace poro {

enum class Stored : uint8_t { kAsUsed, kTransposed };

// A matrix in the GPU's memory; `stride` elements from row to row as stored.
struct MatmulOperand {
  const void* data;
  int64_t stride;
  Stored stored = Stored::kAsUsed;
};

// y = a b + add, with sums in f32. a and b are both bf16, f32 or fp8; y and add bf16 or f32. fp8 operands
// have a scale for each row of a and each column of b, and meet as cuBLASLt wants them: b stored transposed,
// depth and columns multiples of 16.
struct Matmul {
  int64_t rows, columns, depth;
  MatmulOperand a;  // (rows, depth)
  MatmulOperand b;  // (depth, columns)
  DType operands;
  void* y;  // (rows, columns)
  DType result;
  const void* add = nullptr;        // (rows, columns) of y's type, or none; may be y
  int64_t y_stride = 0;             // Elements from row to row of y and add; 0: columns, without gaps.
  const float* a_scales = nullptr;  // (rows) and (columns): of fp8 operands.
  const float* b_scales = nullptr;
};

void matmul(Cuda& cuda, const Matmul& m);

// The values of a plain matrix in `dtype`: its own, or made over in `scratch`, which must then have room for
// them.
const void* values_as(Cuda& cuda, const Tensor& values, DType dtype, std::byte* scratch);
// The bytes values_as needs there.
size_t values_scratch(const Tensor& values, DType dtype);

}  // namespace poro
