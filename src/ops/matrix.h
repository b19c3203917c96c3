// The weights of a linear layer as they lie in memory: row-major as in the checkpoint (f32, f16, bf16), or quantised to 8 or 4
// bits with scales. Row o holds the weights of output o, so y[o] = sum over i of w[o, i] x[i].
#pragma once

#include <span>

#include "base/tensor.h"

namespace poro {

struct Matrix {
  Tensor values;      // (O, I); quantised: int8 or int4 in the layout of ops/quantize.h
  Tensor scales;      // Quantised only: (O, I / group) f32, each the value of one step.
  int64_t group = 0;  // Columns that share a scale; 0 when not quantised, I when each row has one.

  int64_t outputs() const { return values.dim(0); }
  int64_t inputs() const { return values.dim(1); }
  bool is_quantised() const { return group != 0; }
  // Bytes read by a product with one row: the values and the scales.
  size_t bytes() const { return values.bytes() + (is_quantised() ? scales.bytes() : 0); }
};

}  // namespace poro
