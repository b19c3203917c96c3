// Log-probabilities of a text under a model: how likely each token is after those before it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/llama.h"

namespace poro {

class Scorer {
 public:
  // `context`: the most tokens the model looks at together. Throws Error when that is under two.
  Scorer(Llama& model, int64_t context);

  // Natural logs for ids[1], ids[2], ...; the first has no token before it. Throws Error when there are more
  // ids than the context holds, or one is outside the vocabulary.
  std::vector<double> score(std::span<const int32_t> ids);

  // The same for several texts that begin alike, a question with each of its answers: what they share is
  // computed once.
  std::vector<std::vector<double>> score_together(std::span<const std::vector<int32_t>> texts);

  // The same for any length: a window of the context moves on by half of it, and of each window after the
  // first only the second half counts, so a token sees at least half a context of what precedes it.
  std::vector<double> score_in_windows(std::span<const int32_t> ids);

 private:
  void check(std::span<const int32_t> ids) const;
  void check_vocabulary(std::span<const int32_t> ids) const;
  std::vector<double> score_window(std::span<const int32_t> ids);
  // Scores of ids[first], ids[first + 1], ...; the cache holds the first - 1 before.
  std::vector<double> score_from(std::span<const int32_t> ids, size_t first);

  Llama& model_;
  KvCache cache_;
};

}  // namespace poro
