// Attention of a few new tokens over a long cache, on Hopper.
#pragma once

#include "base/device.h"
#include "ops/attention.h"

namespace poro::cuda {

// False: the shape or the GPU is not for this kernel, and nothing was done.
bool decode_attention(Cuda& cuda, const CachedAttention& op);

}  // namespace poro::cuda
