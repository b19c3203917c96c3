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

}  // namespace poro
