// y[t] = table[ids[t]]: the rows of the embedding table.
#pragma once

#include "ops/op.h"

namespace poro {

struct Embed {
  Tensor ids;    // (T) i32, each within the vocabulary
  Tensor table;  // (V, C) f32, f16 or bf16
  Tensor y;      // (T, C)
};
PORO_OP(Embed);

}  // namespace poro
