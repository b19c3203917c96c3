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

}  // namespace poro
