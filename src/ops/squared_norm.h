// sum = the sum of squares of a tensor, in double and in one fixed order whatever the number of threads: what
// clipping by the global norm adds up.
#pragma once

#include "ops/op.h"

namespace poro {

struct SquaredNorm {
  Tensor x;    // (N)
  Tensor sum;  // (1) f64
};
PORO_OP(SquaredNorm);

}  // namespace poro
