// Matrices on their side, for products whose operands lie the other way.
#pragma once

#include "base/device.h"
#include "ops/matrix.h"

namespace poro {

// to[c, r] = from[r, c], converted: f32 or bf16 to the same, f32 to bf16, f16 to f32.
void transpose(ThreadPool& pool, const Tensor& from, const Tensor& to);

// W^T (I, O) in the type that products use it in, in the device's memory for operands: valid until the next
// operation that turns something.
Tensor transposed_weights(Cpu& cpu, const Matrix& w);

}  // namespace poro
