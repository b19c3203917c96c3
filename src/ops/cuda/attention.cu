// Attention on a GPU: which kernel takes which shape.
#include "base/cuda/state.h"
#include "ops/cuda/attention_exact.h"

namespace poro {

void run(Cuda& cuda, const PackedAttention& op) { cuda::exact_attention(cuda, op); }
void run(Cuda& cuda, const PackedAttentionBackward& op) { cuda::exact_attention(cuda, op); }
void run(Cuda& cuda, const CachedAttention& op) { cuda::exact_attention(cuda, op); }

}  // namespace poro
