// The next token where the logits are, so that a step of decoding ends on the device.
#pragma once

#include "ops/op.h"

namespace poro {

// The highest logit's id, the lowest among equals; -1 where a logit is NaN.
struct Argmax {
  Tensor logits;  // (T, V)
  Tensor ids;     // (T) i32
  Tensor highest = {};  // (T) or none, of the logits' type: the logit of each id
};
PORO_OP(Argmax);

}  // namespace poro
