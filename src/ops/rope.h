// Rotary position embedding, in place: each head's pair (i, i + D/2) turns by positions[t] * frequencies[i].
// This is the half-split form of Hugging Face checkpoints. Su et al., RoFormer, 2021.
#pragma once

#include "ops/op.h"

namespace poro {

enum class Rotation { kForward, kBackward };  // The gradient turns the other way.

struct Rope {
  Tensor x;            // (T, H, D), rotated in place
  Tensor positions;    // (T) i32
  Tensor frequencies;  // (D/2) f64, radians per position, llama3 scaling included
  Rotation rotation = Rotation::kForward;
};
PORO_OP(Rope);

}  // namespace poro
