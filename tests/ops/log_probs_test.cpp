#include "ops/log_probs.h"

#include "tests/ops/op_cases.h"
#include "tests/ops/row_cases.h"

namespace poro {
namespace {

TEST(LogProbs, EqualsTheReference) {
  for (const auto& [tokens, vocab] : kLogitCases) {
    for (const double deviation : {1.0, 30.0}) {
      SCOPED_TRACE(testing::Message() << tokens << " x " << vocab << ", deviation " << deviation);
      const Guarded logits = random_tensor(DType::kF32, {tokens, vocab}, 1, deviation);
      std::vector<int32_t> wanted;
      for (int64_t t = 0; t < tokens; ++t) wanted.push_back(static_cast<int32_t>(t * 7919 % vocab));
      const Guarded targets = ints(wanted), expected(DType::kF64, {tokens});
      Reference reference;
      run(reference, LogProbs{.logits = logits, .targets = targets, .logp = expected});
      on_every_cpu([&](Cpu& cpu) {
        const Guarded logp(DType::kF32, {tokens});
        run(cpu, LogProbs{.logits = logits, .targets = targets, .logp = logp});
        for (int64_t t = 0; t < tokens; ++t)
          EXPECT_NEAR(load_element(logp, t), load_element(expected, t),
                      1e-6 * std::max(1.0, std::abs(load_element(expected, t))));
      });
    }
  }
}

// A token that is ruled out has the logit -infinity.
TEST(LogProbs, AllowsMinusInfinity) {
  on_every_cpu([&](Cpu& cpu) {
    const Guarded logits = random_tensor(DType::kF32, {1, 50}, 1), targets = ints({49}),
                  logp(DType::kF32, {1});
    for (int i = 0; i < 49; ++i) logits.tensor().as<float>()[i] = -INFINITY;
    run(cpu, LogProbs{.logits = logits, .targets = targets, .logp = logp});
    EXPECT_EQ(logp.tensor().as<float>()[0], 0.0f);
  });
}

}  // namespace
}  // namespace poro
