#include "ops/sample.h"

namespace poro {

void check(const Argmax& op) {
  CHECK(op.logits.shape.rank() == 2 && op.logits.dim(1) > 0, "logits are {}", op.logits.str());
  CHECK_SHAPE(op.ids, {op.logits.dim(0)});
  CHECK(op.ids.dtype == DType::kI32, "ids are {}", op.ids.str());
  if (!op.highest) return;
  CHECK_SHAPE(op.highest, {op.logits.dim(0)});
  CHECK(op.highest.dtype == op.logits.dtype, "logits {}, the highest {}", op.logits.str(), op.highest.str());
}

void check(const TopLogits& op) {
  CHECK(op.logits.shape.rank() == 2 && op.logits.dim(1) > 0 && op.ids.shape.rank() == 2,
        "logits are {}, ids {}", op.logits.str(), op.ids.str());
  const int64_t rows = op.logits.dim(0);
  CHECK_SHAPE(op.temperatures, {rows});
  CHECK_SHAPE(op.ids, {rows, op.ids.dim(1)});
  CHECK_SHAPE(op.values, {rows, op.ids.dim(1)});
  CHECK_SHAPE(op.counts, {rows});
  CHECK_SHAPE(op.totals, {rows});
  CHECK(op.values.dtype == op.logits.dtype && op.temperatures.dtype == DType::kF64 &&
            op.totals.dtype == DType::kF64,
        "{} to {}", op.logits.str(), op.values.str());
}

Cost cost(const TopLogits& op) {
  return {.flops = 3.0 * static_cast<double>(op.logits.elements()),
          .bytes = static_cast<double>(op.logits.bytes())};
}

Cost cost(const Argmax& op) {
  return {.flops = 0, .bytes = static_cast<double>(op.logits.bytes() + op.ids.bytes())};
}

}  // namespace poro
