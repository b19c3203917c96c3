#include "ops/norm.h"

namespace poro {

void check(const RmsNorm& op) {
  CHECK(op.x.shape.rank() == 2, "x is {}", op.x.str());
  CHECK_SHAPE(op.w, {op.x.dim(1)});
  CHECK_SHAPE(op.y, {op.x.dim(0), op.x.dim(1)});
  if (op.rstd) CHECK_SHAPE(op.rstd, {op.x.dim(0)});
}

Cost cost(const RmsNorm& op) {
  return {.flops = 4.0 * static_cast<double>(op.x.elements()),
          .bytes = static_cast<double>(op.x.bytes() + op.w.bytes() + op.y.bytes())};
}

}  // namespace poro
