#include "ops/embed.h"

namespace poro {

void check(const Embed& op) {
  CHECK(op.table.shape.rank() == 2 && op.ids.dtype == DType::kI32, "table {}, ids {}", op.table.str(),
        op.ids.str());
  CHECK_SHAPE(op.ids, {op.ids.elements()});
  CHECK_SHAPE(op.y, {op.ids.dim(0), op.table.dim(1)});
}

Cost cost(const Embed& op) {
  const double row_bytes = static_cast<double>(op.table.dim(1) * dtype_bits(op.table.dtype)) / 8;
  return {.flops = 0,
          .bytes = static_cast<double>(op.ids.dim(0)) * row_bytes + static_cast<double>(op.y.bytes())};
}

void check(const EmbedBackward& op) {
  CHECK(op.dtable.shape.rank() == 2 && op.ids.dtype == DType::kI32, "dtable {}, ids {}", op.dtable.str(),
        op.ids.str());
  CHECK_SHAPE(op.ids, {op.ids.elements()});
  CHECK_SHAPE(op.dy, {op.ids.dim(0), op.dtable.dim(1)});
}

Cost cost(const EmbedBackward& op) {
  return {.flops = static_cast<double>(op.dy.elements()), .bytes = 3.0 * static_cast<double>(op.dy.bytes())};
}

}  // namespace poro
