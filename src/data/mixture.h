// The order of training: which sequence of which source comes at which place, for the whole run. Sources are
// interleaved so that after every place each has had its share as nearly as whole sequences allow; within a
// source every epoch is a new shuffle. Any place follows from the seed and the place's count of each source,
// which is all the state there is.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/batch.h"
#include "data/pack.h"

namespace poro {

enum class Order { kAsStored, kShuffled };

struct MixtureSource {
  std::string name;
  std::unique_ptr<Shard> shard;
  std::unique_ptr<Packing> packing;
  double share = 0;  // Of the sequences of the run; all shares sum to 1.
};

// A place in the run: how many sequences of each source came before it.
struct MixturePosition {
  std::vector<int64_t> drawn;

  int64_t total() const;
  nlohmann::ordered_json to_json() const { return drawn; }
};

class Mixture {
 public:
  // Shares must be positive.
  Mixture(std::vector<MixtureSource> sources, Order order, uint64_t seed);

  // Where one sequence is to be found.
  struct Draw {
    int64_t source = 0, sequence = 0;
  };
  // The next sequence; the position moves past it.
  Draw draw(MixturePosition& position) const;
  // The sequences of the draws as one batch.
  Batch batch(const std::vector<Draw>& draws) const;

  const std::vector<MixtureSource>& sources() const { return sources_; }
  MixturePosition start() const { return {std::vector<int64_t>(sources_.size(), 0)}; }
  // Throws Error naming `where` when the JSON is no position of this mixture.
  MixturePosition position_from_json(const nlohmann::ordered_json& json, const std::string& where) const;
  // Of all that decides the order: sources, shares, packing, seed.
  std::string digest() const;

 private:
  void append(const Draw& draw, Batch& batch) const;

  std::vector<MixtureSource> sources_;
  Order order_;
  uint64_t seed_;
};

}  // namespace poro
