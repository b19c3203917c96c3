// y = silu(gate) * up, the gated activation of the feed-forward block. Shazeer, GLU Variants Improve Transformer, 2020.
#pragma once

#include "ops/op.h"

namespace poro {

struct SwiGlu {
  Tensor gate, up;  // (T, F)
  Tensor y;         // (T, F); may be gate
};
PORO_OP(SwiGlu);

}  // namespace poro
