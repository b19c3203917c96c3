#include "ops/add.h"

namespace poro {

void run(Reference&, const Add& op) {
  for (int64_t i = 0; i < op.to.elements(); ++i)
    store_element(op.to, i, load_element(op.a, i) + (op.b ? load_element(op.b, i) : 0.0));
}

}  // namespace poro
