// y = x W^T (+ residual): the products of a Llama model, which has no biases. W is used as it is stored.
#pragma once

#include <span>

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

// Products of the same rows, which are made ready for them once: y = x W^T for each part.
struct Linears {
  struct Part {
    Matrix w;  // (O, I)
    Tensor y;  // (T, O)
  };
  Tensor x;  // (T, I)
  std::span<const Part> parts;

  Linear part(size_t i) const { return {.x = x, .w = parts[i].w, .y = parts[i].y, .residual = {}}; }
};
PORO_OP(Linears);

// dx = dy W (+ residual): the gradient of the input.
struct LinearInputGradient {
  Tensor dy;        // (T, O)
  Matrix w;         // (O, I)
  Tensor dx;        // (T, I)
  Tensor residual;  // (T, I) or none; may be dx itself
};
PORO_OP(LinearInputGradient);

// dw += dy^T x: the gradient of the weights, added to what is there.
struct LinearWeightGradient {
  Tensor dy, x;                  // (T, O), (T, I)
  Tensor dw;                     // (O, I)
  DType operands = DType::kF32;  // kBF16: x may be rounded to it, and dy, as the forward product rounds; sums
                                 // stay as they are.
};
PORO_OP(LinearWeightGradient);

}  // namespace poro
