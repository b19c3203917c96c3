// Stands in for ops/cuda in builds without CUDA. No Cuda device can be opened there, so none of these is ever
// called.
#include "ops/adamw.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/convert.h"
#include "ops/cross_entropy.h"
#include "ops/decode.h"
#include "ops/embed.h"
#include "ops/linear.h"
#include "ops/log_probs.h"
#include "ops/norm.h"
#include "ops/random_fill.h"
#include "ops/rope.h"
#include "ops/sample.h"
#include "ops/squared_norm.h"
#include "ops/swiglu.h"

namespace poro {

#define NO_CUDA(Op)                               \
  void run(Cuda&, const Op&) {                    \
    CHECK(false, #Op " in a build without CUDA"); \
  }

NO_CUDA(Add)
NO_CUDA(AdamW)
NO_CUDA(Argmax)
NO_CUDA(TopLogits)
NO_CUDA(PackedAttention)
NO_CUDA(PackedAttentionBackward)
NO_CUDA(CachedAttention)
NO_CUDA(CacheWrite)
NO_CUDA(TargetLogProbs)
NO_CUDA(Convert)
NO_CUDA(CrossEntropyBackward)
NO_CUDA(Embed)
NO_CUDA(EmbedBackward)
NO_CUDA(NormQkv)
NO_CUDA(NormGateUp)
NO_CUDA(Linear)
NO_CUDA(Linears)
NO_CUDA(LinearInputGradient)
NO_CUDA(LinearWeightGradient)
NO_CUDA(LogProbs)
NO_CUDA(RandomFill)
NO_CUDA(RmsNorm)
NO_CUDA(RmsNormBackward)
NO_CUDA(Rope)
NO_CUDA(SquaredNorm)
NO_CUDA(SwiGlu)
NO_CUDA(SwiGluBackward)

}  // namespace poro
