#include "ops/attention.h"

#include <numeric>

#include "tests/ops/op_cases.h"

namespace poro {
namespace {

struct Heads {
  int64_t queries, keys, dim;  // H, K, D
};

const Heads kHeads[] = {{1, 1, 8},   {4, 4, 32},  {8, 2, 64},   {8, 1, 128}, {6, 2, 96},
                        {7, 1, 80},  {3, 1, 256}, {32, 8, 128}, {5, 5, 10}};

struct PackedCase {
  std::vector<int32_t> documents;  // Lengths, one after the other.
  Heads heads;
};

std::vector<PackedCase> packed_cases() {
  std::vector<PackedCase> cases;
  for (const Heads& heads : kHeads) cases.push_back({{1, 17, 2, 70}, heads});
  cases.push_back({{1}, {32, 8, 128}});
  cases.push_back({{520}, {2, 1, 64}});
  cases.push_back({{64, 128, 1, 63}, {4, 2, 32}});
  cases.push_back({{1100}, {1, 1, 16}});
  return cases;
}

TEST(PackedAttention, EqualsTheReference) {
  for (const PackedCase& c : packed_cases()) {
    const auto [num_heads, num_kv_heads, head_dim] = c.heads;
    const int64_t tokens = std::accumulate(c.documents.begin(), c.documents.end(), int64_t{0});
    SCOPED_TRACE(testing::Message() << tokens << " tokens, heads " << num_heads << "/" << num_kv_heads << ", D " << head_dim);
    const Guarded q = random_tensor(DType::kF32, {tokens, num_heads, head_dim}, 1, 2.0);
    const Guarded k = random_tensor(DType::kF32, {tokens, num_kv_heads, head_dim}, 2);
    const Guarded v = random_tensor(DType::kF32, {tokens, num_kv_heads, head_dim}, 3);
    std::vector<int32_t> places;
    for (const int32_t length : c.documents) places.insert(places.end(), static_cast<size_t>(length), static_cast<int32_t>(places.size()));
    const Guarded starts = ints(places);
    const Guarded expected(DType::kF64, {tokens, num_heads, head_dim}), expected_lse(DType::kF64, {tokens, num_heads});
    Reference reference;
    run(reference, PackedAttention{.q = q, .k = k, .v = v, .starts = starts, .y = expected, .lse = expected_lse});
    on_every_cpu([&](Cpu& cpu) {
      const Guarded y(DType::kF32, {tokens, num_heads, head_dim}), lse(DType::kF32, {tokens, num_heads});
      run(cpu, PackedAttention{.q = q, .k = k, .v = v, .starts = starts, .y = y, .lse = lse});
      expect_close(y, expected, 3e-6);
      expect_close(lse, expected_lse, 1e-6);
      const Guarded again(DType::kF32, {tokens, num_heads, head_dim});
      Cpu alone(1, cpu.isa);
      run(alone, PackedAttention{.q = q, .k = k, .v = v, .starts = starts, .y = again, .lse = {}});
      EXPECT_TRUE(equal_bits(y, again)) << "depends on the number of threads";
    });
  }
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

std::vector<CachedCase> cached_cases() {
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

Cache make_cache(const CachedCase& c) {
  int64_t pages_each = 1, tokens = 0;
  for (const Sequence& s : c.sequences) {
    pages_each = std::max(pages_each, (s.length + c.page_size - 1) / c.page_size);
    tokens += s.new_tokens;
  }
  const int64_t num_sequences = static_cast<int64_t>(c.sequences.size()), num_pages = num_sequences * pages_each + 2;
  std::vector<int32_t> pages(static_cast<size_t>(num_pages));
  std::iota(pages.begin(), pages.end(), 0);
  std::shuffle(pages.begin(), pages.end(), std::mt19937(5));
  pages.resize(static_cast<size_t>(num_sequences * pages_each));
  std::vector<int32_t> starts{0}, lengths;
  for (const Sequence& s : c.sequences) starts.push_back(starts.back() + s.new_tokens), lengths.push_back(s.length);
  const Shape shape{num_pages, c.heads.keys, c.page_size, c.heads.dim};
  Cache cache{.keys = Guarded(c.dtype, shape), .values = Guarded(c.dtype, shape), .page_table = ints(pages, {num_sequences, pages_each}),
              .row_starts = ints(starts), .lengths = ints(lengths), .tokens = tokens};
  std::mt19937_64 engine(6);
  std::normal_distribution<double> normal;
  for (size_t b = 0; b < c.sequences.size(); ++b)
    for (int64_t s = 0; s < c.sequences[b].length; ++s)
      for (int64_t head = 0; head < c.heads.keys; ++head)
        for (int64_t d = 0; d < c.heads.dim; ++d) {
          const int64_t page = pages[b * static_cast<size_t>(pages_each) + static_cast<size_t>(s / c.page_size)];
          const int64_t at = ((page * c.heads.keys + head) * c.page_size + s % c.page_size) * c.heads.dim + d;
          store_element(cache.keys, at, normal(engine));
          store_element(cache.values, at, normal(engine));
        }
  return cache;
}

TEST(CachedAttention, EqualsTheReference) {
  for (const CachedCase& c : cached_cases()) {
    const auto [num_heads, num_kv_heads, head_dim] = c.heads;
    SCOPED_TRACE(testing::Message() << "first length " << c.sequences[0].length << ", heads " << num_heads << "/" << num_kv_heads
                                    << ", D " << head_dim << ", " << dtype_name(c.dtype));
    const Cache cache = make_cache(c);
    const Guarded q = random_tensor(DType::kF32, {cache.tokens, num_heads, head_dim}, 1, 2.0);
    const auto op = [&](const Tensor& y) {
      return CachedAttention{.q = q, .keys = cache.keys, .values = cache.values, .page_table = cache.page_table,
                             .row_starts = cache.row_starts, .lengths = cache.lengths, .y = y};
    };
    const Guarded expected(DType::kF64, {cache.tokens, num_heads, head_dim});
    Reference reference;
    run(reference, op(expected));
    on_every_cpu([&](Cpu& cpu) {
      const Guarded y(DType::kF32, {cache.tokens, num_heads, head_dim}), again(DType::kF32, {cache.tokens, num_heads, head_dim});
      run(cpu, op(y));
      expect_close(y, expected, 3e-6);
      Cpu alone(1, cpu.isa);
      run(alone, op(again));
      EXPECT_TRUE(equal_bits(y, again)) << "depends on the number of threads";
    });
  }
}

// Decoding a token alone gives the bits it has in a prefill, from the cache or packed.
TEST(CachedAttention, EqualsPackedRowsInAnyChunks) {
  constexpr int64_t kTokens = 700, kHeads = 4, kKvHeads = 2, kDim = 64;
  const Guarded q = random_tensor(DType::kF32, {kTokens, kHeads, kDim}, 1, 2.0);
  const Guarded k = random_tensor(DType::kF32, {kTokens, kKvHeads, kDim}, 2), v = random_tensor(DType::kF32, {kTokens, kKvHeads, kDim}, 3);
  const Guarded starts = ints(std::vector<int32_t>(kTokens, 0));
  std::vector<int32_t> pages(22), places(kTokens);
  std::iota(pages.rbegin(), pages.rend(), 0);
  for (int32_t t = 0; t < kTokens; ++t) places[static_cast<size_t>(t)] = pages[static_cast<size_t>(t / 32)] * 32 + t % 32;
  const Guarded slots = ints(places), page_table = ints(pages, {1, 22});
  on_every_cpu([&](Cpu& cpu) {
    const Guarded packed(DType::kF32, {kTokens, kHeads, kDim});
    run(cpu, PackedAttention{.q = q, .k = k, .v = v, .starts = starts, .y = packed, .lse = {}});
    const Guarded keys(DType::kF32, {22, kKvHeads, 32, kDim}), values(DType::kF32, {22, kKvHeads, 32, kDim});
    run(cpu, CacheWrite{.k = k, .v = v, .slots = slots, .keys = keys, .values = values});
    for (const auto& [first, count] : {std::pair<int32_t, int32_t>{0, 1}, {0, 700}, {63, 1}, {64, 1}, {100, 65}, {699, 1}, {600, 3}}) {
      const Guarded y(DType::kF32, {count, kHeads, kDim}), row_starts = ints({0, count}), lengths = ints({first + count});
      run(cpu, CachedAttention{.q = q.tensor().rows(first, count), .keys = keys, .values = values, .page_table = page_table,
                               .row_starts = row_starts, .lengths = lengths, .y = y});
      EXPECT_TRUE(equal_bits(y, packed.tensor().rows(first, count))) << "tokens " << first << " to " << first + count;
    }
  });
}

TEST(CacheWrite, EqualsTheReference) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int64_t dim : {128, 10}) {
      const Guarded k = random_tensor(DType::kF32, {5, 3, dim}, 1, 100.0), v = random_tensor(DType::kF32, {5, 3, dim}, 2, 1e-6);
      const Guarded slots = ints({31, 0, 17, 16, 5});
      const Guarded expected_keys(dtype, {4, 3, 8, dim}), expected_values(dtype, {4, 3, 8, dim});
      Reference reference;
      run(reference, CacheWrite{.k = k, .v = v, .slots = slots, .keys = expected_keys, .values = expected_values});
      on_every_cpu([&](Cpu& cpu) {
        const Guarded keys(dtype, {4, 3, 8, dim}), values(dtype, {4, 3, 8, dim});
        run(cpu, CacheWrite{.k = k, .v = v, .slots = slots, .keys = keys, .values = values});
        EXPECT_TRUE(equal_bits(keys, expected_keys) && equal_bits(values, expected_values)) << dtype_name(dtype) << ", D " << dim;
      });
    }
  }
}

}  // namespace
}  // namespace poro
