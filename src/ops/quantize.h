// Weights in fewer bits. int8 has one scale per row; int4 one per group of columns. Symmetric: w = q * scale.
#pragma once

#include <span>

#include "base/threads.h"
#include "ops/matrix.h"

namespace poro {

// The quantised shape of an (O, I) matrix: bytes, group and layout that quantize() fills.
struct QuantizedShape {
  DType dtype;     // kI8 or kI4
  int64_t group;   // Columns per scale.
};

// The group this program uses for a matrix with `inputs` columns. Throws Error naming the width when it does not divide.
QuantizedShape quantized_shape(DType dtype, int64_t inputs);

// Quantises plain `source` (f32, f16, bf16) into `target`, whose tensors are allocated; rows are shared out over `pool`.
void quantize(ThreadPool& pool, const Matrix& source, const Matrix& target);

// Row `row` of any matrix as floats: what every backend's product must equal up to rounding.
void dequantize_row(const Matrix& matrix, int64_t row, std::span<float> out);

}  // namespace poro
