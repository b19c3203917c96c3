// The log-probabilities of a hundred ids of 256: sixty as a prompt, then token by token.
#pragma once

#include <span>
#include <vector>

#include "model/kv_cache.h"
#include "model/llama.h"

namespace poro {

inline std::vector<double> log_probs_of_some_ids(Llama& model, KvCache& cache) {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 100; ++i) ids.push_back(i * 37 % 256);
  std::vector<double> all;
  for (size_t done = 0; done + 1 < ids.size();) {
    const size_t count = done == 0 ? 60 : 1;
    const SequenceTokens tokens{.sequence = 0, .ids = std::span(ids).subspan(done, count)};
    const Tensor hidden = model.forward({&tokens, 1}, cache);
    const std::vector<double> part = model.log_probs(hidden, std::span(ids).subspan(done + 1, count));
    all.insert(all.end(), part.begin(), part.end());
    done += count;
  }
  return all;
}

}  // namespace poro
