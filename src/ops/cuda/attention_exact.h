// Attention with f32 arithmetic on the GPU's ordinary units: right for every head size up to 256, every type
// and every page size. It serves f32 activations and shapes for which there is no tensor-core kernel.
#pragma once

#include "base/device.h"
#include "ops/attention.h"

namespace poro::cuda {

void exact_attention(Cuda& cuda, const PackedAttention& op);
void exact_attention(Cuda& cuda, const PackedAttentionBackward& op);
void exact_attention(Cuda& cuda, const CachedAttention& op);

}  // namespace poro::cuda
