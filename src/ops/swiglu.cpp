#include "ops/swiglu.h"

namespace poro {

void check(const SwiGlu& op) {
  CHECK_SHAPE(op.gate, {op.gate.dim(0), op.gate.dim(1)});
  CHECK_SHAPE(op.up, {op.gate.dim(0), op.gate.dim(1)});
  CHECK_SHAPE(op.y, {op.gate.dim(0), op.gate.dim(1)});
}

Cost cost(const SwiGlu& op) {
  return {.flops = 5.0 * static_cast<double>(op.y.elements()),
          .bytes = static_cast<double>(op.gate.bytes() + op.up.bytes() + op.y.bytes())};
}

void check(const SwiGluBackward& op) {
  for (const Tensor* tensor : {&op.up, &op.dy, &op.dgate, &op.dup})
    CHECK(tensor->shape == op.gate.shape, "{} beside gate {}", tensor->str(), op.gate.str());
}

Cost cost(const SwiGluBackward& op) {
  return {.flops = 12.0 * static_cast<double>(op.gate.elements()),
          .bytes = 5.0 * static_cast<double>(op.gate.bytes())};
}

}  // namespace poro
