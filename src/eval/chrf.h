// chrF and chrF++ as sacrebleu defines them: the F-score of character n-grams up to 6, for chrF++ together
// with word n-grams up to 2, averaged over the orders that occur. Popović, chrF: character n-gram F-score for
// automatic MT evaluation, 2015. Signature there: nrefs:var|case:mixed|eff:yes|nc:6|nw:2|space:no.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace poro {

struct ChrfOptions {
  size_t word_order = 2;  // 0 for chrF, 2 for chrF++; at most 2.
  double beta = 2;        // How much more recall counts than precision.
};

struct ChrfCounts {
  static constexpr size_t kCharacterOrder = 6, kMaxWordOrder = 2;
  struct Order {
    int64_t translation = 0, reference = 0, matches = 0;
  };
  std::array<Order, kCharacterOrder + kMaxWordOrder> orders{};

  ChrfCounts& operator+=(const ChrfCounts& other);
  // From 0 to 100.
  double score(const ChrfOptions& options = {}) const;
};

// One translation against the reference that fits it best.
ChrfCounts chrf_counts(std::string_view translation, std::span<const std::string> references,
                       const ChrfOptions& options = {});

}  // namespace poro
