#include "ops/log_probs.h"

namespace poro {

void check(const LogProbs& op) {
  CHECK(op.logits.shape.rank() == 2 && op.targets.dtype == DType::kI32, "logits {}, targets {}",
        op.logits.str(), op.targets.str());
  CHECK_SHAPE(op.targets, {op.logits.dim(0)});
  CHECK_SHAPE(op.logp, {op.logits.dim(0)});
  if (!op.lse) return;
  CHECK_SHAPE(op.lse, {op.logits.dim(0)});
  CHECK(op.lse.dtype == DType::kF64 && op.logp.dtype == DType::kF64, "lse {}, logp {}", op.lse.str(),
        op.logp.str());
}

Cost cost(const LogProbs& op) {
  return {.flops = 3.0 * static_cast<double>(op.logits.elements()),
          .bytes = static_cast<double>(op.logits.bytes())};
}

}  // namespace poro
