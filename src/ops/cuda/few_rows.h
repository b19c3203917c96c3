// Products of few rows: each weight is read once, at the speed of the memory.
#pragma once

#include "ops/linear.h"

namespace poro {

constexpr int64_t kFewRows = 8;

// y = x W^T (+ residual) for T <= kFewRows; false when there are more. A row's result depends on nothing but
// that row, so it has the same bits for every T. bf16 activations on Hopper take the ring of
// ops/cuda/weight_ring.h; all others plain loops in f32.
bool run_few_rows(Cuda& cuda, const Linear& op);

// The plain loops: any type, any size, any GPU.
void run_few_rows_plainly(Cuda& cuda, const Linear& op);

}  // namespace poro
