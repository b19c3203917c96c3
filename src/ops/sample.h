// The next token where the logits are, so that a step of decoding ends on the device.
#pragma once

#include "ops/op.h"

namespace poro {

// The highest logit's id, the lowest among equals; -1 where a logit is NaN.
struct Argmax {
  Tensor logits;        // (T, V)
  Tensor ids;           // (T) i32
  Tensor highest = {};  // (T) or none, of the logits' type: the logit of each id
};
PORO_OP(Argmax);

// What a sampler that looks at a few hundred tokens needs of each row: some of the highest logits, and how
// much all tokens weigh. They are all that reach a bound, so equals are in or out together; the bound lets in
// as many as there are places, or little less. None where a logit is NaN, the highest is infinite, or too
// many equal it.
struct TopLogits {
  Tensor logits;        // (T, V)
  Tensor temperatures;  // (T) f64, above 0
  Tensor ids;           // (T, N) i32: the first counts[t] of a row, in no order
  Tensor values;        // (T, N), of the logits' type
  Tensor counts;        // (T) i32
  Tensor totals;        // (T) f64: the sum over the vocabulary of exp((logit - highest) / temperature)
};
PORO_OP(TopLogits);

}  // namespace poro
