#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include <set>

namespace poro {
namespace {

LlamaConfig small_config() {
  LlamaConfig config;
  config.num_layers = 2;
  config.num_kv_heads = 2;
  config.head_dim = 8;
  return config;
}

TEST(KvCache, GivesEverySequenceItsOwnPages) {
  const KvCacheOptions options{
      .max_sequences = 3, .max_positions = 130, .page_size = 64, .dtype = DType::kF32};
  const auto device = Device::cpu(1);
  KvCache cache(*device, small_config(), options);
  EXPECT_EQ(cache.keys(1).shape, (Shape{9, 2, 64, 8}));
  EXPECT_EQ(KvCache::bytes(small_config(), options), 2u * 2 * 9 * 2 * 64 * 8 * 4);
  cache.extend(0, 64);
  cache.extend(1, 1);
  cache.extend(0, 1);
  cache.extend(2, 130);
  std::set<int32_t> seen;
  for (int64_t sequence = 0; sequence < 3; ++sequence)
    for (const int32_t page : cache.pages(sequence)) EXPECT_TRUE(seen.insert(page).second) << page;
  EXPECT_EQ(seen.size(), 2u + 1u + 3u);
}

TEST(KvCache, TruncationFreesPages) {
  const auto device = Device::cpu(1);
  KvCache cache(*device, small_config(),
                {.max_sequences = 1, .max_positions = 256, .page_size = 64, .dtype = DType::kF32});
  for (int round = 0; round < 5; ++round) {
    cache.extend(0, 256);
    cache.truncate(0, 65);
    EXPECT_EQ(cache.pages(0).size(), 2u);
    cache.truncate(0, 64);
    EXPECT_EQ(cache.pages(0).size(), 1u);
    cache.truncate(0, 0);
    EXPECT_TRUE(cache.pages(0).empty());
  }
  cache.extend(0, 200);
  EXPECT_DEATH(cache.extend(0, 57), "positions in a cache");
}

}  // namespace
}  // namespace poro
