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
  return {.flops = 2.0 * static_cast<double>(op.x.dim(0)) * static_cast<double>(op.w.outputs()) *
                   static_cast<double>(op.w.inputs()),
          .bytes = static_cast<double>(op.w.bytes() + op.x.bytes() + op.y.bytes() +
                                       (op.residual ? op.residual.bytes() : 0))};
}

void check(const Linears& op) {
  for (size_t i = 0; i < op.parts.size(); ++i) check(op.part(i));
}

Cost cost(const Linears& op) {
  Cost all;
  for (size_t i = 0; i < op.parts.size(); ++i) {
    const Cost one = cost(op.part(i));
    all.flops += one.flops, all.bytes += one.bytes;
  }
  return all;
}

void check(const LinearInputGradient& op) {
  CHECK(!op.w.is_quantised(), "quantised weights have no gradient pass");
  CHECK_SHAPE(op.dy, {op.dy.dim(0), op.w.outputs()});
  CHECK_SHAPE(op.dx, {op.dy.dim(0), op.w.inputs()});
  CHECK(op.dx.data != op.dy.data, "dx may not be dy");
  if (op.residual) CHECK_SHAPE(op.residual, {op.dy.dim(0), op.w.inputs()});
}

Cost cost(const LinearInputGradient& op) {
  return {.flops = 2.0 * static_cast<double>(op.dy.elements()) * static_cast<double>(op.w.inputs()),
          .bytes = static_cast<double>(op.w.bytes() + op.dy.bytes() + op.dx.bytes())};
}

void check(const LinearWeightGradient& op) {
  CHECK_SHAPE(op.dw, {op.dy.dim(1), op.x.dim(1)});
  CHECK_SHAPE(op.x, {op.dy.dim(0), op.x.dim(1)});
}

Cost cost(const LinearWeightGradient& op) {
  return {.flops = 2.0 * static_cast<double>(op.dy.elements()) * static_cast<double>(op.x.dim(1)),
          .bytes = static_cast<double>(op.dy.bytes() + op.x.bytes() + 2 * op.dw.bytes())};
}

}  // namespace poro
