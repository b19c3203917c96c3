// The step against repetition between documents: of equal ones, and of nearly equal ones, the first stays.
// Nearly equal are two whose sets of word 5-grams overlap enough, estimated by MinHash (Broder, On the
// resemblance and containment of documents, 1997) and found by bands of the signature (14 bands of 8 values,
// as FineWeb: Penedo et al., 2024).
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "data/corpus/step.h"

namespace poro {

class DeduplicateStep final : public DataStep {
 public:
  // `min_similarity` in (0, 1]: of equal values in two signatures, an estimate of the sets' Jaccard
  // similarity. 1 looks for equal documents only.
  explicit DeduplicateStep(double min_similarity) : min_similarity_(min_similarity) {}

  void judge(Document& document) const override;
  void decide(Document& document) override;

 private:
  static constexpr size_t kBands = 14, kRows = 8, kValues = kBands * kRows, kShingle = 5;

  bool resembles_one(const uint64_t* signature) const;

  const double min_similarity_;
  std::unordered_set<uint64_t> seen_;                                // Hashes of whole documents
  std::vector<std::unordered_multimap<uint64_t, uint32_t>> bands_ =  // Of each band, documents by its hash
      std::vector<std::unordered_multimap<uint64_t, uint32_t>>(kBands);
  std::vector<uint32_t> signatures_;  // kValues of each document that stayed
};

}  // namespace poro
