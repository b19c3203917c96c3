// BLEU as sacrebleu defines it (Post, A Call for Clarity in Reporting BLEU Scores, 2018): the tokenisation of
// mteval-v13a, word n-grams up to 4, clipped counts, exponential smoothing of empty orders, brevity penalty.
// Its signature there: nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/pattern.h"

namespace poro {

// What a segment adds to the corpus; scores are computed from sums of these.
struct BleuCounts {
  static constexpr size_t kMaxOrder = 4;

  std::array<int64_t, kMaxOrder> correct{}, total{};  // N-grams of each order.
  int64_t length = 0, reference_length = 0;           // In tokens; of the reference nearest in length.

  BleuCounts& operator+=(const BleuCounts& other);
  // From 0 to 100.
  double score() const;
};

class Bleu {
 public:
  Bleu();

  // One translation against one reference or more.
  BleuCounts counts(std::string_view translation, std::span<const std::string> references) const;

  // The tokens that mteval-v13a makes of a line, apart by single spaces.
  std::string tokenized(std::string_view line) const;

 private:
  std::vector<std::pair<Pattern, std::string>> rules_;
};

}  // namespace poro
