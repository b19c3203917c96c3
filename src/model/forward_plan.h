// What the ops of one forward call over a cache look up: where each new token stands, where its key and value
// go, and where those of the tokens before it are. All integers, so that one rank can tell the others.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/kv_cache.h"
#include "model/llama.h"

namespace poro {

struct ForwardPlan {
  // Of the table of pages: as wide as the longest sequence needs, or, as recordings want it, as the cache
  // allows.
  enum class Width { kOfLongest, kOfCache };
  // Makes room in the cache for the new tokens.
  ForwardPlan(std::span<const SequenceTokens> batch, KvCache& cache, Width width);
  // As packed() made it.
  explicit ForwardPlan(std::span<const int32_t> packed);
  std::vector<int32_t> packed() const;

  std::vector<int32_t> ids, positions, slots;  // Of each token
  std::vector<int32_t> row_starts;             // Of each sequence, and one more
  std::vector<int32_t> lengths;                // Of each sequence
  std::vector<int32_t> page_table;             // (sequences, num_pages)
  int64_t num_pages = 0, max_new_tokens = 1, max_length = 1;

 private:
  void add(const SequenceTokens& tokens, const KvCache& cache);
};

}  // namespace poro
