// The head and the loss in one, in chunks of rows, so that logits (T, V) are never stored. A loss that
// depends on the logits through the targets' log-probabilities alone has dL/dlogits[t] = coefficient[t]
// (softmax - onehot), with coefficient[t] = -dL/dlogp[t]; so one backward op serves pretraining, masked SFT,
// DPO and its relatives.
#pragma once

#include "ops/matrix.h"
#include "ops/op.h"

namespace poro {

// logp[t] = log softmax(head hidden[t])[targets[t]]. Of a head that ranks have split by rows each computes
// its part, with lse: then logp is the target's logit alone, 0 where the target is not among the rows, and
// lse their log of the sum of exponentials.
struct TargetLogProbs {
  Tensor hidden;         // (T, C)
  Matrix head;           // (V, C)
  Tensor targets;        // (T) i32; rows with a negative one cost nothing
  Tensor logp;           // (T); 0 where there is no target
  int64_t first_id = 0;  // Of the head's first row
  Tensor lse = {};       // (T) f64 or none
};
PORO_OP(TargetLogProbs);

struct CrossEntropyBackward {
  Tensor hidden;        // (T, C)
  Matrix head;          // (V, C)
  Tensor targets;       // (T) i32
  Tensor coefficients;  // (T) f64; rows with zero cost nothing
  Tensor dhidden;       // (T, C)
  Tensor dhead;         // (V, C), added to
  Tensor logp;  // (T) or none: the log-probabilities too, for losses whose coefficients do not need them; 0
                // where those are
  int64_t first_id = 0;  // Of the head's first row
  Tensor lse = {};  // (T) f64 or none: the denominators over all rows, where the head is a part; then no logp
};
PORO_OP(CrossEntropyBackward);

}  // namespace poro
