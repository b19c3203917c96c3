#include "ops/rope.h"

namespace poro {

void check(const Rope& op) {
  CHECK(op.x.shape.rank() == 3 && op.x.dim(2) % 2 == 0, "x is {}", op.x.str());
  CHECK_SHAPE(op.positions, {op.x.dim(0)});
  CHECK_SHAPE(op.frequencies, {op.x.dim(2) / 2});
  CHECK(op.positions.dtype == DType::kI32 && op.frequencies.dtype == DType::kF64,
        "positions {}, frequencies {}", op.positions.str(), op.frequencies.str());
}

Cost cost(const Rope& op) {
  return {.flops = 3.0 * static_cast<double>(op.x.elements()),
          .bytes = 2.0 * static_cast<double>(op.x.bytes())};
}

}  // namespace poro
