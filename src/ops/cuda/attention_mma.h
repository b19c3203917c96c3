// Attention of bf16 rows on the tensor cores of any GPU from compute capability 8.0: every head size up to
// 256, every page size, caches of bf16 and e4m3.
#pragma once

#include "base/device.h"
#include "ops/attention.h"

namespace poro::cuda {

// False: other types, and nothing was done.
bool mma_attention(Cuda& cuda, const PackedAttention& op);
bool mma_attention(Cuda& cuda, const CachedAttention& op);

}  // namespace poro::cuda
