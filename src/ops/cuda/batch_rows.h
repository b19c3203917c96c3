// Products of a batch of rows, more than few and less than many: each weight is read once, at the speed of
// the memory.
#pragma once

#include "ops/decode.h"
#include "ops/linear.h"

namespace poro {

constexpr int64_t kBatchRows = 64;  // At most.

// Each runs the op and returns true where the kernel of ops/cuda/batch_ring.cuh takes it: bf16 rows and plain
// bf16 weights on Hopper. A row's result depends on nothing but that row.
bool run_batch_rows(Cuda& cuda, const Linear& op);
bool run_batch_rows(Cuda& cuda, const NormQkv& op);
bool run_batch_rows(Cuda& cuda, const NormGateUp& op);

}  // namespace poro
