// The argmax by its definition.
#include "ops/sample.h"

#include <algorithm>
#include <cmath>

namespace poro {

void run(Reference&, const Argmax& op) {
  const int64_t vocab = op.logits.dim(1);
  for (int64_t t = 0; t < op.logits.dim(0); ++t) {
    int32_t best = 0;
    for (int64_t id = 0; id < vocab && best >= 0; ++id) {
      const double logit = load_element(op.logits, t * vocab + id);
      if (std::isnan(logit))
        best = -1;
      else if (logit > load_element(op.logits, t * vocab + best))
        best = static_cast<int32_t>(id);
    }
    if (op.highest) store_element(op.highest, t, load_element(op.logits, t * vocab + std::max(best, 0)));
    op.ids.as<int32_t>()[t] = best;
  }
}

}  // namespace poro
