// y = x / rms(x) * w, one row at a time. rstd = 1 / rms(x) is kept for the backward pass when asked.
// Zhang and Sennrich, Root Mean Square Layer Normalization, 2019.
#pragma once

#include "ops/op.h"

namespace poro {

struct RmsNorm {
  Tensor x, w;  // (T, C), (C)
  Tensor y;     // (T, C)
  Tensor rstd;  // (T) or none
  double eps = 1e-5;
};
PORO_OP(RmsNorm);

// With n = x rstd and g = dy w: dx += rstd (g - n mean(g n)), dw += sum over rows of dy n.
struct RmsNormBackward {
  Tensor x, w, rstd;  // (T, C), (C), (T): as in the forward pass
  Tensor dy;          // (T, C)
  Tensor dx, dw;      // (T, C), (C): added to
};
PORO_OP(RmsNormBackward);

}  // namespace poro
