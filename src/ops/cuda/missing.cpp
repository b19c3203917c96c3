// Ops whose CUDA kernels are not written yet.
#include "ops/attention.h"
#include "ops/cuda/few_rows.h"

namespace poro {

#define MISSING(Op) \
  void run(Cuda&, const Op&) { CHECK(false, #Op " has no CUDA kernel yet"); }

MISSING(PackedAttention)
MISSING(PackedAttentionBackward)
MISSING(CachedAttention)

bool run_few_rows(Cuda&, const Linear&) { return false; }

}  // namespace poro
