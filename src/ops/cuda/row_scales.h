// Rows in fp8 (e4m3), the largest magnitude of each at 448 times its scale: weights by channel, activations
// by token.
#pragma once

#include "ops/op.h"

namespace poro {

struct RowsToF8 {
  Tensor rows;      // (R, I) bf16 or f32
  uint8_t* values;  // (R, pitch)
  float* scales;    // (R)
  int64_t pitch;    // At least I.
};
void rows_to_f8(Cuda& cuda, const RowsToF8& task);

}  // namespace poro
