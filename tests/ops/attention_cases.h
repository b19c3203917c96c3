// The cases of the attention tests, for every backend: head counts, packed documents, and caches whose unused
// places are poison.
#pragma once

#include <numeric>

#include "tests/ops/op_cases.h"

namespace poro {

struct Heads {
  int64_t queries, keys, dim;  // H, K, D
};

inline const Heads kHeads[] = {{1, 1, 8},  {4, 4, 32},  {8, 2, 64},   {8, 1, 128}, {6, 2, 96},
                               {7, 1, 80}, {3, 1, 256}, {32, 8, 128}, {5, 5, 10}};

struct PackedCase {
  std::vector<int32_t> documents;  // Lengths, one after the other.
  Heads heads;
};

inline std::vector<PackedCase> packed_cases() {
  std::vector<PackedCase> cases;
  for (const Heads& heads : kHeads) cases.push_back({{1, 17, 2, 70}, heads});
  cases.push_back({{1}, {32, 8, 128}});
  cases.push_back({{520}, {2, 1, 64}});
  cases.push_back({{64, 128, 1, 63}, {4, 2, 32}});
  cases.push_back({{1100}, {1, 1, 16}});
  cases.push_back({{40, 300, 1, 33}, {5, 1, 64}});
  cases.push_back({{1}, {1, 1, 32}});
  return cases;
}

struct Sequence {
  int32_t new_tokens, length;
};

struct CachedCase {
  std::vector<Sequence> sequences;
  int64_t page_size;
  Heads heads;
  DType dtype;
};

inline std::vector<CachedCase> cached_cases() {
  std::vector<CachedCase> cases;
  for (const Heads& heads : kHeads) cases.push_back({{{1, 100}, {17, 40}, {2, 2}}, 16, heads, DType::kF32});
  cases.push_back({{{1, 1}}, 64, {32, 8, 128}, DType::kBF16});
  cases.push_back({{{1, 700}}, 64, {8, 2, 128}, DType::kBF16});
  cases.push_back({{{1, 1300}, {1, 3}, {0, 5}, {40, 600}}, 64, {4, 1, 64}, DType::kF16});
  cases.push_back({{{515, 520}}, 64, {2, 1, 32}, DType::kBF16});
  cases.push_back({{{3, 50}, {60, 90}}, 7, {4, 2, 48}, DType::kF32});
  return cases;
}

// The cache of a case: pages dealt out of order, and whatever no sequence has written poisoned.
struct Cache {
  Guarded keys, values, page_table, row_starts, lengths;
  int64_t tokens;
};

inline Cache make_cache(const CachedCase& c) {
  int64_t pages_each = 1, tokens = 0;
  for (const Sequence& s : c.sequences) {
    pages_each = std::max(pages_each, (s.length + c.page_size - 1) / c.page_size);
    tokens += s.new_tokens;
  }
  const int64_t num_sequences = static_cast<int64_t>(c.sequences.size()),
                num_pages = num_sequences * pages_each + 2;
  std::vector<int32_t> pages(static_cast<size_t>(num_pages));
  std::iota(pages.begin(), pages.end(), 0);
  std::shuffle(pages.begin(), pages.end(), std::mt19937(5));
  pages.resize(static_cast<size_t>(num_sequences * pages_each));
  std::vector<int32_t> starts{0}, lengths;
  for (const Sequence& s : c.sequences)
    starts.push_back(starts.back() + s.new_tokens), lengths.push_back(s.length);
  const Shape shape{num_pages, c.heads.keys, c.page_size, c.heads.dim};
  Cache cache{.keys = Guarded(c.dtype, shape),
              .values = Guarded(c.dtype, shape),
              .page_table = ints(pages, {num_sequences, pages_each}),
              .row_starts = ints(starts),
              .lengths = ints(lengths),
              .tokens = tokens};
  std::mt19937_64 engine(6);
  std::normal_distribution<double> normal;
  for (size_t b = 0; b < c.sequences.size(); ++b)
    for (int64_t s = 0; s < c.sequences[b].length; ++s)
      for (int64_t head = 0; head < c.heads.keys; ++head)
        for (int64_t d = 0; d < c.heads.dim; ++d) {
          const int64_t page =
              pages[b * static_cast<size_t>(pages_each) + static_cast<size_t>(s / c.page_size)];
          const int64_t at = ((page * c.heads.keys + head) * c.page_size + s % c.page_size) * c.heads.dim + d;
          store_element(cache.keys, at, normal(engine));
          store_element(cache.values, at, normal(engine));
        }
  return cache;
}

}  // namespace poro
