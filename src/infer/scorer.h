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

  // The same for any length: a window of the context moves on by half of it, and of each window after the
  // first only the second half counts, so a token sees at least half a context of what precedes it.
  std::vector<double> score_in_windows(std::span<const int32_t> ids);

 private:
  void check_vocabulary(std::span<const int32_t> ids) const;
  std::vector<double> score_window(std::span<const int32_t> ids);

  Llama& model_;
  KvCache cache_;
};

}  // namespace poro
