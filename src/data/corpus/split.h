// The held-out split. A document's place follows from a hash of what it is, so it stays the same when others
// come or go. Pieces of one work (a "document" field with the same name) stay together.
#pragma once

#include "data/corpus/step.h"

namespace poro {

class SplitStep final : public DataStep {
 public:
  struct Options {
    double held_out = 0.01;  // The share of works, about
    uint64_t seed = 42;
  };
  explicit SplitStep(const Options& options) : options_(options) {}

  // Part 0 is for training, part 1 is held out.
  void judge(Document& document) const override;

 private:
  Options options_;
};

}  // namespace poro
