// One row of a matrix into its place in a panel of blocks, compiled once per instruction set:
// quantize_row_<set>.cpp includes quantize_row_body.h and defines one of these.
#pragma once

#include "ops/quantize.h"

namespace poro {

struct QuantizeRow {
  const std::byte* source;  // `columns` weights
  DType source_dtype;       // kF32, kF16 or kBF16
  int64_t columns;
  std::byte* panel;  // The first block of the row's panel.
  DType dtype;       // kI8 or kI4
  int64_t row;       // Within the panel.
};

void quantize_row_portable(const QuantizeRow& task);
void quantize_row_avx2(const QuantizeRow& task);
void quantize_row_avx512(const QuantizeRow& task);

}  // namespace poro
