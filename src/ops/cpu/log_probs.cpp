#include "ops/log_probs.h"

#include "ops/cpu/kernels.h"

namespace poro {

void run(Cpu& cpu, const LogProbs& op) {
  const int64_t vocab = op.logits.dim(1);
  parallel_for(cpu.pool, op.logits.dim(0), 1, [&](Range tokens) {
    for (int64_t t = tokens.begin; t < tokens.end; ++t) {
      const float* logits = op.logits.as<float>() + t * vocab;
      const double denominator = kernels(cpu.isa).log_sum_exp({.logits = logits, .count = vocab});
      const int64_t target = op.targets.as<int32_t>()[t] - op.first_id;
      const double logit = target >= 0 && target < vocab ? static_cast<double>(logits[target]) : 0;
      store_element(op.logp, t, op.lse ? logit : logit - denominator);
      if (op.lse) op.lse.as<double>()[t] = denominator;
    }
  });
}

}  // namespace poro
