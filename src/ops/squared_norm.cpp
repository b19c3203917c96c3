#include "ops/squared_norm.h"

namespace poro {

void check(const SquaredNorm& op) {
  CHECK(op.sum.elements() == 1 && op.sum.dtype == DType::kF64, "{}", op.sum.str());
}

Cost cost(const SquaredNorm& op) {
  return {.flops = 2.0 * static_cast<double>(op.x.elements()), .bytes = static_cast<double>(op.x.bytes())};
}

}  // namespace poro
