// A copy of one row per id.
#include "ops/embed.h"

namespace poro {

void run(Reference&, const Embed& op) {
  const int64_t width = op.table.dim(1);
  for (int64_t t = 0; t < op.ids.dim(0); ++t) {
    const int64_t row = op.ids.as<int32_t>()[t] - op.first_id;
    const bool is_here = row >= 0 && row < op.table.dim(0);
    for (int64_t c = 0; c < width; ++c)
      store_element(op.y, t * width + c, is_here ? load_element(op.table, row * width + c) : 0.0);
  }
}

void run(Reference&, const EmbedBackward& op) {
  const int64_t width = op.dtable.dim(1);
  for (int64_t t = 0; t < op.ids.dim(0); ++t) {
    const int64_t id = op.ids.as<int32_t>()[t] - op.first_id, row = id * width;
    if (id < 0 || id >= op.dtable.dim(0)) continue;
    for (int64_t c = 0; c < width; ++c)
      store_element(op.dtable, row + c,
                    load_element(op.dtable, row + c) + load_element(op.dy, t * width + c));
  }
}

}  // namespace poro
