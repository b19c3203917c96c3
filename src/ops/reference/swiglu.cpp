// The gate by its definition.
#include "ops/swiglu.h"

#include <cmath>

namespace poro {

void run(Reference&, const SwiGlu& op) {
  for (int64_t i = 0; i < op.y.elements(); ++i) {
    const double gate = load_element(op.gate, i);
    store_element(op.y, i, gate / (1.0 + std::exp(-gate)) * load_element(op.up, i));
  }
}

void run(Reference&, const SwiGluBackward& op) {
  for (int64_t i = 0; i < op.gate.elements(); ++i) {
    const double gate = load_element(op.gate, i), up = load_element(op.up, i), dy = load_element(op.dy, i);
    const double sigmoid = 1.0 / (1.0 + std::exp(-gate));
    store_element(op.dgate, i, dy * up * sigmoid * (1.0 + gate * (1.0 - sigmoid)));
    store_element(op.dup, i, dy * gate * sigmoid);
  }
}

}  // namespace poro
