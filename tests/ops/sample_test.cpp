#include "ops/sample.h"

#include "tests/ops/top_logits_cases.h"

namespace poro {
namespace {

TEST(Argmax, FindsTheHighestAndTheFirstAmongEquals) {
  const Guarded logits = random_tensor(DType::kF32, {5, 1003}, 1);
  for (const int64_t id : {1002, 0, 500, 499}) store_element(logits, id, 9.0);
  for (const int64_t id : {1002, 77}) store_element(logits, 1003 + id, 9.0);
  store_element(logits, 2 * 1003 + 3, std::numeric_limits<double>::quiet_NaN());
  for (int64_t id = 0; id < 1003; ++id) store_element(logits, 3 * 1003 + id, id % 2 == 0 ? -0.0 : 0.0);
  for (int64_t id = 0; id < 1003; ++id)
    store_element(logits, 4 * 1003 + id, id == 9 ? -1e30 : -std::numeric_limits<double>::infinity());
  const Guarded expected = ints({0, 77, -1, 0, 9});
  const Guarded by_reference(DType::kI32, {5});
  Reference reference;
  run(reference, Argmax{.logits = logits, .ids = by_reference});
  EXPECT_TRUE(equal_bits(by_reference, expected));
  on_every_cpu([&](Cpu& cpu) {
    const Guarded ids(DType::kI32, {5});
    const Guarded highest(DType::kF32, {5});
    run(cpu, Argmax{.logits = logits, .ids = ids, .highest = highest});
    EXPECT_TRUE(equal_bits(ids, expected));
    for (const int64_t t : {0, 1, 3, 4})
      EXPECT_EQ(load_element(highest, t),
                load_element(logits, t * 1003 + expected.tensor().as<int32_t>()[t]));
  });
}

TEST(TopLogits, AreAllThatReachABound) {
  for (const int64_t vocab : {3, 64, 1003, 5000}) {
    SCOPED_TRACE(vocab);
    const Guarded logits = top_logits_rows(vocab), temperatures = top_temperatures();
    const TopLogitsOut out(64);
    Reference reference;
    run(reference, TopLogits{.logits = logits,
                             .temperatures = temperatures,
                             .ids = out.ids,
                             .values = out.values,
                             .counts = out.counts,
                             .totals = out.totals});
    expect_top_logits(logits, temperatures, out, 60);
  }
}

}  // namespace
}  // namespace poro
