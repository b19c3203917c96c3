// logp[t] = log softmax(logits[t])[targets[t]], exact over the whole row. Of logits that are a part of the
// vocabulary each rank computes its part, with lse, as TargetLogProbs does: then logp is the target's logit
// alone, 0 where the target is not among them, and lse their log of the sum of exponentials.
#pragma once

#include "ops/op.h"

namespace poro {

struct LogProbs {
  Tensor logits;         // (T, V)
  Tensor targets;        // (T) i32, each within the vocabulary
  Tensor logp;           // (T)
  int64_t first_id = 0;  // Of the first column
  Tensor lse = {};       // (T) f64 or none
};
PORO_OP(LogProbs);

}  // namespace poro
