// Packed attention with operands in bf16, where the processor is fast at it (ops/cpu/attention_tiles.h).
#pragma once

#include "ops/attention.h"
#include "ops/cpu/attention_tiles.h"

namespace poro {

// What this processor has for such operands, or none: then attention is computed in f32.
const TiledAttention* tiled_attention(const Cpu& cpu, const Tensor& q, DType operands);

void attend_tiled(Cpu& cpu, const PackedAttention& op, const TiledAttention& kernel);

}  // namespace poro
