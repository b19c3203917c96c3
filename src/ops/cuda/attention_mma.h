// Attention of bf16 rows on the tensor cores of any GPU from compute capability 8.0: every head size up to 256, every type of cache and
// page size.
#pragma once

#include "base/device.h"
#include "ops/attention.h"

namespace poro::cuda {

// False: activations are not bf16, and nothing was done.
bool mma_attention(Cuda& cuda, const PackedAttention& op);
bool mma_attention(Cuda& cuda, const CachedAttention& op);

}  // namespace poro::cuda
