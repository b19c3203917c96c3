// y = x W^T (+ residual): the products of a Llama model, which has no biases. W is used as it is stored.
#pragma once

#include "ops/matrix.h"
#include "ops/op.h"

namespace poro {

struct Linear {
  Tensor x;         // (T, I)
  Matrix w;         // (O, I)
  Tensor y;         // (T, O)
  Tensor residual;  // (T, O) or none; may be y itself: y += x W^T
};
PORO_OP(Linear);

}  // namespace poro
