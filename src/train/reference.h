// What the frozen reference model of preference training says of every answer: the sum of its
// log-probabilities. Computed once for all pairs, before training and in the memory that training uses
// afterwards, and kept beside the shards under a hash of model, data, template and precision. So no second
// model is held, and a second run starts at once.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/comm.h"
#include "data/mixture.h"
#include "train/loss.h"

namespace poro {

class ReferenceSumsOf {
 public:
  // The log-probabilities of a batch's targets by the reference.
  using LogProbs = std::function<std::vector<double>(const Batch& batch)>;

  // From the cache, or by one pass over all pairs of the mixture, shared among the ranks. `identity` says
  // which model in which precision; `load` makes it ready, and is called only if some pair is to be computed.
  // Collective. Throws Error.
  static ReferenceSumsOf open(const Mixture& mixture, const std::filesystem::path& cache,
                              const std::string& identity, Comm& comm, const std::function<LogProbs()>& load);

  std::vector<ReferenceSums> of(const Batch& batch) const;

 private:
  std::vector<std::vector<ReferenceSums>> sources_;  // By source, then by pair
};

// The hash of a model's weights and config.
std::string model_digest(const std::filesystem::path& folder);

}  // namespace poro
