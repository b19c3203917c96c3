// logp[t] = log softmax(logits[t])[targets[t]], exact over the whole row.
#pragma once

#include "ops/op.h"

namespace poro {

struct LogProbs {
  Tensor logits;   // (T, V)
  Tensor targets;  // (T) i32, each within the vocabulary
  Tensor logp;     // (T)
};
PORO_OP(LogProbs);

}  // namespace poro
