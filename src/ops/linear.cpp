#include "ops/linear.h"

namespace poro {

void check(const Linear& op) {
  CHECK(op.w.is_quantised() || op.w.values.shape.rank() == 2, "w is {}", op.w.values.str());
  CHECK_SHAPE(op.x, {op.x.dim(0), op.w.inputs()});
  CHECK_SHAPE(op.y, {op.x.dim(0), op.w.outputs()});
  CHECK(op.y.data != op.x.data, "y may not be x");
  if (op.residual) CHECK_SHAPE(op.residual, {op.x.dim(0), op.w.outputs()});
}

Cost cost(const Linear& op) {
  return {.flops = 2.0 * static_cast<double>(op.x.dim(0)) * static_cast<double>(op.w.outputs()) * static_cast<double>(op.w.inputs()),
          .bytes = static_cast<double>(op.w.bytes() + op.x.bytes() + op.y.bytes() + (op.residual ? op.residual.bytes() : 0))};
}

}  // namespace poro
