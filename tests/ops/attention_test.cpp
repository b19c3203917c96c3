#include "ops/attention.h"

#include <numeric>

#include "tests/ops/attention_cases.h"

namespace poro {
namespace {

// Operands that are bf16 already leave one rounding: each weight of the softmax is off by up to 2^-9 of
// itself, and so is their sum of values. Its denominator is a sum of weights before they are rounded.
void expect_the_reference(const PackedCase& c, DType operands) {
  const auto [num_heads, num_kv_heads, head_dim] = c.heads;
  const int64_t tokens = std::accumulate(c.documents.begin(), c.documents.end(), int64_t{0});
  SCOPED_TRACE(testing::Message() << tokens << " tokens, heads " << num_heads << "/" << num_kv_heads << ", D "
                                  << head_dim << ", " << dtype_name(operands));
  const auto random = [&](int64_t heads, uint64_t seed, double deviation) {
    return representable(operands, random_tensor(DType::kF32, {tokens, heads, head_dim}, seed, deviation));
  };
  const Guarded q = random(num_heads, 1, 2.0), k = random(num_kv_heads, 2, 1.0),
                v = random(num_kv_heads, 3, 1.0);
  std::vector<int32_t> places;
  for (const int32_t length : c.documents)
    places.insert(places.end(), static_cast<size_t>(length), static_cast<int32_t>(places.size()));
  const Guarded starts = ints(places);
  const auto op = [&](const Tensor& y, const Tensor& lse) {
    return PackedAttention{
        .q = q, .k = k, .v = v, .starts = starts, .y = y, .lse = lse, .operands = operands};
  };
  const Guarded expected(DType::kF64, {tokens, num_heads, head_dim}),
      expected_lse(DType::kF64, {tokens, num_heads});
  Reference reference;
  run(reference, op(expected, expected_lse));
  on_every_cpu([&](Cpu& cpu) {
    const Guarded y(DType::kF32, {tokens, num_heads, head_dim}), lse(DType::kF32, {tokens, num_heads});
    run(cpu, op(y, lse));
    expect_close(y, expected, operands == DType::kBF16 ? 2e-3 : 3e-6);
    expect_close(lse, expected_lse, 1e-6);
    const Guarded again(DType::kF32, {tokens, num_heads, head_dim});
    Cpu alone(1, cpu.isa);
    run(alone, op(again, {}));
    EXPECT_TRUE(equal_bits(y, again)) << "depends on the number of threads";
  });
}

TEST(PackedAttention, EqualsTheReference) {
  for (const PackedCase& c : packed_cases())
    for (const DType operands : {DType::kF32, DType::kBF16}) expect_the_reference(c, operands);
}

TEST(CachedAttention, EqualsTheReference) {
  for (const CachedCase& c : cached_cases()) {
    const auto [num_heads, num_kv_heads, head_dim] = c.heads;
    SCOPED_TRACE(testing::Message() << "first length " << c.sequences[0].length << ", heads " << num_heads
                                    << "/" << num_kv_heads << ", D " << head_dim << ", "
                                    << dtype_name(c.dtype));
    const Cache cache = make_cache(c);
    const Guarded q = random_tensor(DType::kF32, {cache.tokens, num_heads, head_dim}, 1, 2.0);
    const auto op = [&](const Tensor& y) {
      return CachedAttention{.q = q,
                             .keys = cache.keys,
                             .values = cache.values,
                             .page_table = cache.page_table,
                             .row_starts = cache.row_starts,
                             .lengths = cache.lengths,
                             .y = y};
    };
    const Guarded expected(DType::kF64, {cache.tokens, num_heads, head_dim});
    Reference reference;
    run(reference, op(expected));
    on_every_cpu([&](Cpu& cpu) {
      const Guarded y(DType::kF32, {cache.tokens, num_heads, head_dim}),
          again(DType::kF32, {cache.tokens, num_heads, head_dim});
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
  const Guarded k = random_tensor(DType::kF32, {kTokens, kKvHeads, kDim}, 2),
                v = random_tensor(DType::kF32, {kTokens, kKvHeads, kDim}, 3);
  const Guarded starts = ints(std::vector<int32_t>(kTokens, 0));
  std::vector<int32_t> pages(22), places(kTokens);
  std::iota(pages.rbegin(), pages.rend(), 0);
  for (int32_t t = 0; t < kTokens; ++t)
    places[static_cast<size_t>(t)] = pages[static_cast<size_t>(t / 32)] * 32 + t % 32;
  const Guarded slots = ints(places), page_table = ints(pages, {1, 22});
  on_every_cpu([&](Cpu& cpu) {
    const Guarded packed(DType::kF32, {kTokens, kHeads, kDim});
    run(cpu, PackedAttention{.q = q, .k = k, .v = v, .starts = starts, .y = packed, .lse = {}});
    const Guarded keys(DType::kF32, {22, kKvHeads, 32, kDim}), values(DType::kF32, {22, kKvHeads, 32, kDim});
    run(cpu, CacheWrite{.k = k, .v = v, .slots = slots, .keys = keys, .values = values});
    for (const auto& [first, count] :
         {std::pair<int32_t, int32_t>{0, 1}, {0, 700}, {63, 1}, {64, 1}, {100, 65}, {699, 1}, {600, 3}}) {
      const Guarded y(DType::kF32, {count, kHeads, kDim}), row_starts = ints({0, count}),
                                                           lengths = ints({first + count});
      run(cpu, CachedAttention{.q = q.tensor().rows(first, count),
                               .keys = keys,
                               .values = values,
                               .page_table = page_table,
                               .row_starts = row_starts,
                               .lengths = lengths,
                               .y = y});
      EXPECT_TRUE(equal_bits(y, packed.tensor().rows(first, count)))
          << "tokens " << first << " to " << first + count;
    }
  });
}

TEST(CacheWrite, EqualsTheReference) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int64_t dim : {128, 10}) {
      const Guarded k = random_tensor(DType::kF32, {5, 3, dim}, 1, 100.0),
                    v = random_tensor(DType::kF32, {5, 3, dim}, 2, 1e-6);
      const Guarded slots = ints({31, 0, 17, 16, 5});
      const Guarded expected_keys(dtype, {4, 3, 8, dim}), expected_values(dtype, {4, 3, 8, dim});
      Reference reference;
      run(reference,
          CacheWrite{.k = k, .v = v, .slots = slots, .keys = expected_keys, .values = expected_values});
      on_every_cpu([&](Cpu& cpu) {
        const Guarded keys(dtype, {4, 3, 8, dim}), values(dtype, {4, 3, 8, dim});
        run(cpu, CacheWrite{.k = k, .v = v, .slots = slots, .keys = keys, .values = values});
        EXPECT_TRUE(equal_bits(keys, expected_keys) && equal_bits(values, expected_values))
            << dtype_name(dtype) << ", D " << dim;
      });
    }
  }
}

}  // namespace
}  // namespace poro
