// One step of AdamW on one tensor: decoupled weight decay, bias-corrected moments. Loshchilov and Hutter, Decoupled Weight
// Decay Regularization, 2019.
#pragma once

#include "ops/op.h"

namespace poro {

struct AdamW {
  Tensor weights;          // (N) master weights, updated
  Tensor gradient;         // (N)
  Tensor first, second;    // (N) moments, updated
  double gradient_scale = 1;  // From clipping
  double learning_rate = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  int64_t step = 1;        // From 1, for the bias correction
};
PORO_OP(AdamW);

}  // namespace poro
