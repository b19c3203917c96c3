// A copy of one row per id.
#include "ops/embed.h"

namespace poro {

void run(Reference&, const Embed& op) {
  const int64_t width = op.table.dim(1);
  for (int64_t t = 0; t < op.ids.dim(0); ++t)
    for (int64_t c = 0; c < width; ++c)
      store_element(op.y, t * width + c, load_element(op.table, op.ids.as<int32_t>()[t] * width + c));
}

void run(Reference&, const EmbedBackward& op) {
  const int64_t width = op.dtable.dim(1);
  for (int64_t t = 0; t < op.ids.dim(0); ++t) {
    const int64_t row = op.ids.as<int32_t>()[t] * width;
    for (int64_t c = 0; c < width; ++c)
      store_element(op.dtable, row + c, load_element(op.dtable, row + c) + load_element(op.dy, t * width + c));
  }
}

}  // namespace poro
