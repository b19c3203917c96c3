// The data of a run, from its recipe: shards of every source, packed, mixed by weight, and how many steps
// that makes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/comm.h"
#include "base/threads.h"
#include "data/mixture.h"
#include "train/recipe.h"

namespace poro {

struct TrainingData {
  std::unique_ptr<Mixture> mixture;
  int64_t steps = 0;     // Optimizer steps of the whole run
  double sequences = 0;  // That the recipe asks for; the last step may read a few more
  double tokens = 0;     // About: sequences times their mean length
  int64_t longest = 0;   // Tokens of the longest sequence (of a pair: both answers)
};

// Opens or makes the shards of the sources. Collective: rank 0 makes them first. Throws Error.
TrainingData open_training_data(const Recipe& recipe, const RowEncoder& encoder, ThreadPool& pool,
                                Comm& comm);
// The held-out sources, each whole; nothing when the recipe names none.
std::unique_ptr<Mixture> open_validation_data(const Recipe& recipe, const RowEncoder& encoder,
                                              ThreadPool& pool, Comm& comm);

// What was read, one line for each fact: rows, tokens, counted tokens, share and epochs of every source,
// tokens per word.
std::vector<std::string> describe(const TrainingData& data, const Recipe& recipe);

// Where token shards are kept when the recipe does not say.
std::filesystem::path default_shard_cache();

// The next step's batches of this rank: the step's sequences in order, cut into ranks, then into
// micro-batches.
std::vector<Batch> next_batches(const Mixture& mixture, MixturePosition& position, const TrainSection& train,
                                const Comm& replicas);

}  // namespace poro
