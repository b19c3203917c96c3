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

// dtable[ids[t]] += dy[t], in the order of t.
struct EmbedBackward {
  Tensor ids;     // (T) i32
  Tensor dy;      // (T, C)
  Tensor dtable;  // (V, C), added to
};
PORO_OP(EmbedBackward);

}  // namespace poro
