#include "ops/add.h"

namespace poro {

void check(const Add& op) {
  CHECK(op.a.elements() == op.to.elements() && op.a.dtype == op.to.dtype, "{} to {}", op.a.str(),
        op.to.str());
  if (op.b)
    CHECK(op.b.elements() == op.to.elements() && op.b.dtype == op.to.dtype, "{} to {}", op.b.str(),
          op.to.str());
}

Cost cost(const Add& op) {
  return {.flops = static_cast<double>(op.to.elements()),
          .bytes = static_cast<double>(op.to.bytes() * (op.b ? 3 : 2))};
}

}  // namespace poro
