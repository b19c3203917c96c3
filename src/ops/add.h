// to = a + b, or a alone. What ranks have computed apart comes together.
#pragma once

#include "ops/op.h"

namespace poro {

struct Add {
  Tensor a, b;  // (N) of any shape; b may be none
  Tensor to;    // (N); may be a or b
};
PORO_OP(Add);

}  // namespace poro
