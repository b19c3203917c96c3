// Learns merges from words and how often they occur: again and again the most frequent adjacent pair becomes
// a token; of equally frequent pairs the one of the lowest ids. The same merges as the trainer of the Rust
// reference makes of the same words.
#pragma once

#include <cstdint>
#include <vector>

#include "text/bpe.h"
#include "text/vocabulary.h"

namespace poro {

// Distinct pieces of text; counts[id] is how often the piece of that id occurred.
struct WordCounts {
  Vocabulary words;
  std::vector<int64_t> counts;

  void add(std::string_view word, int64_t count);
};

struct TrainedBpe {
  Vocabulary
      vocabulary;  // First the 256 bytes in the order of the byte-level alphabet, then a token per merge.
  std::vector<Merge> merges;  // In the order of their rank.
};

// Stops at `vocabulary_size` tokens (at least 256), or when no pair is left.
TrainedBpe train_bpe(const WordCounts& words, size_t vocabulary_size);

}  // namespace poro
