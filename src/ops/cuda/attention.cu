// Attention on a GPU: which kernel takes which shape.
#include "base/cuda/state.h"
#include "ops/cuda/attention_backward.h"
#include "ops/cuda/attention_decode.h"
#include "ops/cuda/attention_exact.h"
#include "ops/cuda/attention_forward.h"
#include "ops/cuda/attention_mma.h"

namespace poro {

void run(Cuda& cuda, const PackedAttention& op) {
  if (cuda::hopper_attention(cuda, op) || cuda::mma_attention(cuda, op)) return;
  cuda::exact_attention(cuda, op);
}

void run(Cuda& cuda, const PackedAttentionBackward& op) {
  if (cuda::hopper_attention(cuda, op)) return;
  cuda::exact_attention(cuda, op);
}

void run(Cuda& cuda, const CachedAttention& op) {
  if (cuda::decode_attention(cuda, op) || cuda::hopper_attention(cuda, op) || cuda::mma_attention(cuda, op))
    return;
  cuda::exact_attention(cuda, op);
}

}  // namespace poro
