// Ops whose CUDA kernels are not written yet.
#include "ops/adamw.h"
#include "ops/attention.h"
#include "ops/cross_entropy.h"
#include "ops/embed.h"
#include "ops/linear.h"
#include "ops/log_probs.h"
#include "ops/norm.h"
#include "ops/rope.h"
#include "ops/squared_norm.h"
#include "ops/swiglu.h"

namespace poro {

#define MISSING(Op) \
  void run(Cuda&, const Op&) { CHECK(false, #Op " has no CUDA kernel yet"); }

MISSING(AdamW)
MISSING(CacheWrite)
MISSING(TargetLogProbs)
MISSING(CrossEntropyBackward)
MISSING(Embed)
MISSING(EmbedBackward)
MISSING(Linear)
MISSING(LinearInputGradient)
MISSING(LinearWeightGradient)
MISSING(LogProbs)
MISSING(RmsNorm)
MISSING(RmsNormBackward)
MISSING(Rope)
MISSING(SquaredNorm)
MISSING(SwiGlu)
MISSING(SwiGluBackward)

}  // namespace poro
