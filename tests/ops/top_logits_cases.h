// What TopLogits promises, whichever backend ran it.
#pragma once

#include <set>

#include "ops/sample.h"
#include "tests/ops/op_cases.h"

namespace poro {

// Six rows: random, with equals at the top, a NaN, an infinity, all equal, and one token far above the
// others.
inline Guarded top_logits_rows(int64_t vocab) {
  Guarded logits = random_tensor(DType::kF32, {6, vocab}, static_cast<uint64_t>(vocab), 3.0);
  for (const int64_t id : {vocab - 1, vocab / 2, int64_t{0}}) store_element(logits, vocab + id, 20.0);
  store_element(logits, 2 * vocab + vocab / 3, std::numeric_limits<double>::quiet_NaN());
  store_element(logits, 3 * vocab + vocab / 3, std::numeric_limits<double>::infinity());
  for (int64_t id = 0; id < vocab; ++id) store_element(logits, 4 * vocab + id, 1.5);
  store_element(logits, 5 * vocab + vocab / 3, 90.0);
  return logits;
}

// The outputs for rows of top_logits_rows(vocab), and places for `places` tokens.
struct TopLogitsOut {
  Guarded ids, values, counts, totals;
  TopLogitsOut(int64_t places)  // NOLINT: of so many places.
      : ids(DType::kI32, {6, places}),
        values(DType::kF32, {6, places}),
        counts(DType::kI32, {6}),
        totals(DType::kF64, {6}) {}
};

inline void expect_top_logits(const Tensor& logits, const Tensor& temperatures, const TopLogitsOut& out,
                              int64_t least_count) {
  const int64_t vocab = logits.dim(1), places = out.ids.tensor().dim(1);
  for (int64_t t = 0; t < 6; ++t) {
    SCOPED_TRACE(t);
    const int64_t count = out.counts.tensor().as<int32_t>()[t];
    const bool is_unusable = t == 2 || t == 3 || (t == 4 && vocab > places);
    if (is_unusable) {
      EXPECT_EQ(count, 0);
      continue;
    }
    ASSERT_LE(count, std::min(places, vocab));
    ASSERT_GE(count,
              t == 5 ? 1 : std::min(least_count, vocab));  // Far below the highest nothing is looked for.
    std::set<int32_t> ids;
    double least = INFINITY, highest = -INFINITY, total = 0;
    for (int64_t i = 0; i < count; ++i) {
      const int32_t id = out.ids.tensor().as<int32_t>()[t * places + i];
      ids.insert(id);
      ASSERT_EQ(load_element(out.values, t * places + i), load_element(logits, t * vocab + id));
      least = std::min(least, load_element(logits, t * vocab + id));
    }
    EXPECT_EQ(std::ssize(ids), count);
    for (int64_t id = 0; id < vocab; ++id) highest = std::max(highest, load_element(logits, t * vocab + id));
    for (int64_t id = 0; id < vocab; ++id) {
      const double logit = load_element(logits, t * vocab + id);
      ASSERT_TRUE(ids.contains(static_cast<int32_t>(id)) || logit < least) << id;
      total += std::exp((logit - highest) / temperatures.as<double>()[t]);
    }
    EXPECT_NEAR(out.totals.tensor().as<double>()[t], total, 1e-10 * total);
  }
}

inline Guarded top_temperatures() {
  Guarded temperatures(DType::kF64, {6});
  for (int64_t t = 0; t < 6; ++t) store_element(temperatures, t, 0.5 + 0.3 * static_cast<double>(t));
  return temperatures;
}

}  // namespace poro
