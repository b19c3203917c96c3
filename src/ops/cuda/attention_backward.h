// The backward pass of attention on Hopper's tensor cores: bf16, heads of 64 or 128.
#pragma once

#include "base/device.h"
#include "ops/attention.h"

namespace poro::cuda {

// False: the shape or the GPU is not for these kernels, and nothing was done.
bool hopper_attention(Cuda& cuda, const PackedAttentionBackward& op);

}  // namespace poro::cuda
