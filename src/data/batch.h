// What one forward and backward pass reads: sequences end to end, without padding. Attention and positions
// begin anew where `starts` says; every token has a target, and a weight that says how much the target
// counts.
#pragma once

#include <cstdint>
#include <vector>

namespace poro {

// Tokens [begin, end) of a batch.
struct TokenRange {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};

struct Batch {
  struct Sequence {
    TokenRange tokens;
    int64_t source = 0;  // Of the mixture
  };
  // A preference: where its two answers' rows are (prompts included, which have weight 0).
  struct Pair {
    TokenRange chosen, rejected;
    int64_t id = 0;  // Of the preference in its source: by it the reference's log-probabilities are found.
    int64_t source = 0;
  };

  std::vector<int32_t> ids, starts, targets;  // (T); starts[t]: where the document of token t begins
  std::vector<float> weights;                 // (T); 0: the target does not count
  std::vector<Sequence> sequences;
  std::vector<Pair> pairs;  // Of preferences only

  int64_t num_tokens() const { return static_cast<int64_t>(ids.size()); }
  // What a mean over targets divides by.
  double total_weight() const;
};

}  // namespace poro
