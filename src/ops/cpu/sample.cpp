#include "ops/sample.h"

namespace poro {

void run(Cpu& cpu, const Argmax& op) {
  const int64_t vocab = op.logits.dim(1);
  parallel_for(cpu.pool, op.logits.dim(0), 1, [&](Range tokens) {
    for (int64_t t = tokens.begin; t < tokens.end; ++t) {
      const float* logits = op.logits.as<float>() + t * vocab;
      int64_t best = 0;
      bool has_nan = false;
      for (int64_t id = 0; id < vocab; ++id) {
        has_nan |= logits[id] != logits[id];
        if (logits[id] > logits[best]) best = id;
      }
      if (op.highest) op.highest.as<float>()[t] = logits[best];
      op.ids.as<int32_t>()[t] = has_nan ? -1 : static_cast<int32_t>(best);
    }
  });
}

// No processor needs it fast: its sampler has all logits at hand.
void run(Cpu&, const TopLogits& op) {
  Reference reference;
  run(reference, op);
}

}  // namespace poro
