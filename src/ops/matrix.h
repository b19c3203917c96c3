// The weights of a linear layer as they lie in memory: row-major as in the checkpoint (f32, f16, bf16), or
// quantised to 8 or 4 bits: in blocks of several rows on a processor, row by row on a GPU. Row o holds the
// weights of output o, so y[o] = sum over i of w[o, i] x[i].
#pragma once

#include <optional>

#include "base/tensor.h"

namespace poro {

// What a quantised matrix holds.
struct Quantization {
  DType dtype = DType::kI8;  // kI8, kI4, or on a GPU kF8
  Shape shape;               // (O, I)
};

struct Matrix {
  Tensor values;  // (O, I); quantised: (panels, groups, bytes of a block) i8 or, on a GPU, (O, bytes of a
                  // row) i8: ops/quantize.h
  std::optional<Quantization> quantization = {};
  Tensor scales = {};  // (O) f32, of fp8 and int8 on a GPU; others carry their scales among the values

  int64_t outputs() const { return quantization ? quantization->shape[0] : values.dim(0); }
  int64_t inputs() const { return quantization ? quantization->shape[1] : values.dim(1); }
  DType dtype() const { return quantization ? quantization->dtype : values.dtype; }
  bool is_quantised() const { return quantization.has_value(); }
  // Bytes read by a product with one row: the values, the scales and the padding.
  size_t bytes() const { return values.bytes() + (scales ? scales.bytes() : 0); }
};

}  // namespace poro
