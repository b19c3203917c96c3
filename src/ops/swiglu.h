// y = silu(gate) * up, the gated activation of the feed-forward block. Shazeer, GLU Variants Improve
// Transformer, 2020.
#pragma once

#include "ops/op.h"

namespace poro {

struct SwiGlu {
  Tensor gate, up;  // (T, F)
  Tensor y;         // (T, F); may be gate
};
PORO_OP(SwiGlu);

// With s = sigmoid(gate): dup = dy silu(gate), dgate = dy up s (1 + gate (1 - s)).
struct SwiGluBackward {
  Tensor gate, up, dy;  // (T, F)
  Tensor dgate, dup;    // (T, F); may be gate and up
};
PORO_OP(SwiGluBackward);

}  // namespace poro
