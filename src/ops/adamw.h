// One step of AdamW on one tensor: decoupled weight decay, bias-corrected moments. Loshchilov and Hutter,
// Decoupled Weight Decay Regularization, 2019. Moments, and weights that have no wider master, may be bf16;
// they are then rounded up or down by chance, in proportion to the distance, because a decay of 0.999 or a
// small step is less than half a step of bf16 and would be lost by rounding to nearest.
#pragma once

#include "ops/op.h"

namespace poro {

struct AdamW {
  Tensor weights;             // (N) master weights, updated; bf16 on a GPU, if wanted
  Tensor gradient;            // (N) of the backend's exact type, or bf16 on a GPU
  Tensor first, second;       // (N) moments, updated: of the weights' type, or bf16
  Tensor rounded = {};        // (N) bf16 or none: gets the new weights, rounded to nearest
  double gradient_scale = 1;  // From clipping
  double learning_rate = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  int64_t step = 1;   // From 1, for the bias correction
  uint64_t seed = 0;  // Of the rounding by chance: element i draws number first_element + i of step `step`.
  int64_t first_element = 0;
};
PORO_OP(AdamW);

}  // namespace poro
