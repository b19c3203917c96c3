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

void check(const RmsNormBackward& op) {
  CHECK(op.x.shape.rank() == 2 && op.dy.shape == op.x.shape && op.dx.shape == op.x.shape,
        "x {}, dy {}, dx {}", op.x.str(), op.dy.str(), op.dx.str());
  CHECK_SHAPE(op.w, {op.x.dim(1)});
  CHECK_SHAPE(op.dw, {op.x.dim(1)});
  CHECK_SHAPE(op.rstd, {op.x.dim(0)});
}

Cost cost(const RmsNormBackward& op) {
  return {.flops = 10.0 * static_cast<double>(op.x.elements()),
          .bytes = static_cast<double>(op.x.bytes() + op.dy.bytes() + 2 * op.dx.bytes())};
}

}  // namespace poro
