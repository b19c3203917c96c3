#include "ops/convert.h"

namespace poro {

void run(Reference&, const Convert& op) {
  for (int64_t i = 0; i < op.from.elements(); ++i) store_element(op.to, i, load_element(op.from, i));
}

}  // namespace poro
