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

Cost cost(const Argmax& op) { return {.flops = 0, .bytes = static_cast<double>(op.logits.bytes() + op.ids.bytes())}; }

}  // namespace poro
