// y[t] = table[ids[t] - first_id]: the rows of the embedding table. Of a table that ranks have split by rows
// each looks its own up, and gives zeros for the others'.
#pragma once

#include "ops/op.h"

namespace poro {

struct Embed {
  Tensor ids;            // (T) i32, each within the vocabulary
  Tensor table;          // (V, C) f32, f16 or bf16
  Tensor y;              // (T, C)
  int64_t first_id = 0;  // Of the table's first row
};
PORO_OP(Embed);

// dtable[ids[t] - first_id] += dy[t], in the order of t; ids of other ranks' rows add nothing.
struct EmbedBackward {
  Tensor ids;     // (T) i32
  Tensor dy;      // (T, C)
  Tensor dtable;  // (V, C), added to
  int64_t first_id = 0;
};
PORO_OP(EmbedBackward);

}  // namespace poro
