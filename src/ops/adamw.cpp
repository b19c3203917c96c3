#include "ops/adamw.h"

namespace poro {

void check(const AdamW& op) {
  const int64_t count = op.weights.elements();
  for (const Tensor* tensor : {&op.gradient, &op.first, &op.second})
    CHECK(tensor->elements() == count, "{} beside weights {}", tensor->str(), op.weights.str());
  CHECK(op.first.dtype == op.second.dtype &&
            (op.first.dtype == op.weights.dtype || op.first.dtype == DType::kBF16),
        "moments {} and {} beside weights {}", op.first.str(), op.second.str(), op.weights.str());
  if (op.rounded)
    CHECK(op.rounded.elements() == count && op.rounded.dtype == DType::kBF16, "{}", op.rounded.str());
  CHECK(op.step >= 1, "step {}", op.step);
}

Cost cost(const AdamW& op) {
  return {.flops = 15.0 * static_cast<double>(op.weights.elements()),
          .bytes = static_cast<double>(2 * op.weights.bytes() + op.gradient.bytes() + 2 * op.first.bytes() +
                                       2 * op.second.bytes() + (op.rounded ? op.rounded.bytes() : 0))};
}

}  // namespace poro
