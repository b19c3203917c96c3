// The likeliest tokens by their definitions.
#include "ops/sample.h"

#include <algorithm>
#include <cmath>
#include <vector>

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

void run(Reference&, const TopLogits& op) {
  const int64_t vocab = op.logits.dim(1), places = op.ids.dim(1);
  for (int64_t t = 0; t < op.logits.dim(0); ++t) {
    std::vector<std::pair<double, int32_t>> sorted;  // Of falling logits.
    for (int64_t id = 0; id < vocab; ++id)
      sorted.emplace_back(load_element(op.logits, t * vocab + id), static_cast<int32_t>(id));
    const bool has_nan =
        std::ranges::any_of(sorted, [](const auto& token) { return std::isnan(token.first); });
    std::ranges::stable_sort(sorted, [](const auto& a, const auto& b) { return a.first > b.first; });
    const double highest = sorted[0].first;
    double total = 0;
    for (const auto& [logit, id] : sorted)
      total += std::exp((logit - highest) / op.temperatures.as<double>()[t]);
    op.totals.as<double>()[t] = total;
    int64_t count = std::min(places, vocab);
    if (count < vocab)
      while (count > 0 &&
             sorted[static_cast<size_t>(count - 1)].first == sorted[static_cast<size_t>(count)].first)
        --count;
    if (has_nan || std::isinf(highest)) count = 0;
    for (int64_t i = 0; i < count; ++i) {
      op.ids.as<int32_t>()[t * places + i] = sorted[static_cast<size_t>(i)].second;
      store_element(op.values, t * places + i, sorted[static_cast<size_t>(i)].first);
    }
    op.counts.as<int32_t>()[t] = static_cast<int32_t>(count);
  }
}

}  // namespace poro
