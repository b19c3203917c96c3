// One sum.
#include "ops/squared_norm.h"

namespace poro {

void run(Reference&, const SquaredNorm& op) {
  double sum = 0;
  for (int64_t i = 0; i < op.x.elements(); ++i) sum += load_element(op.x, i) * load_element(op.x, i);
  op.sum.as<double>()[0] = sum;
}

}  // namespace poro
