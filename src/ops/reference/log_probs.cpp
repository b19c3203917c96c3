// Log-softmax by its definition, with the highest logit taken out first.
#include "ops/log_probs.h"

#include <algorithm>
#include <cmath>

namespace poro {

void run(Reference&, const LogProbs& op) {
  const int64_t vocab = op.logits.dim(1);
  for (int64_t t = 0; t < op.logits.dim(0); ++t) {
    double highest = load_element(op.logits, t * vocab);
    for (int64_t v = 1; v < vocab; ++v) highest = std::max(highest, load_element(op.logits, t * vocab + v));
    double sum = 0;
    for (int64_t v = 0; v < vocab; ++v) sum += std::exp(load_element(op.logits, t * vocab + v) - highest);
    const int64_t target = op.targets.as<int32_t>()[t] - op.first_id;
    const double logit = target >= 0 && target < vocab ? load_element(op.logits, t * vocab + target) : 0;
    store_element(op.logp, t, op.lse ? logit : logit - highest - std::log(sum));
    if (op.lse) op.lse.as<double>()[t] = highest + std::log(sum);
  }
}

}  // namespace poro
