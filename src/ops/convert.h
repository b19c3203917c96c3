// to = from, in the other's floating type: rounded to nearest.
#pragma once

#include "ops/op.h"

namespace poro {

struct Convert {
  Tensor from;  // (N) of any shape
  Tensor to;    // (N)
};
PORO_OP(Convert);

// The values of `from` to `to`, of as many elements, whatever their types and wherever each lies: weights on
// their way in or out.
void bring(Device& device, const Tensor& from, const Tensor& to);

}  // namespace poro
