// Packing: nothing is lost, nothing is too long, and the mixture gives every source its share.
#include "data/pack.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "base/error.h"
#include "base/random.h"
#include "data/mixture.h"
#include "data/permutation.h"
#include "tests/data/token_source.h"

namespace poro {
namespace {

TEST(Permutation, VisitsEveryPlaceOnceInAnOrderOfItsOwn) {
  for (const int64_t count : {1, 2, 3, 7, 64, 65, 1000}) {
    std::set<int64_t> seen;
    const Permutation shuffle(count, 42, 0);
    for (int64_t i = 0; i < count; ++i) seen.insert(shuffle(i));
    EXPECT_EQ(static_cast<int64_t>(seen.size()), count);
    EXPECT_EQ(*seen.begin(), 0);
    EXPECT_EQ(*seen.rbegin(), count - 1);
  }
  const Permutation a(1000, 42, 0), b(1000, 42, 1), c(1000, 43, 0);
  int64_t same_stream = 0, same_seed = 0, fixed = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    same_stream += a(i) == b(i) ? 1 : 0;
    same_seed += a(i) == c(i) ? 1 : 0;
    fixed += a(i) == i ? 1 : 0;
  }
  EXPECT_LT(same_stream, 10);  // One is expected.
  EXPECT_LT(same_seed, 10);
  EXPECT_LT(fixed, 10);
}

// Rows of given lengths; row r holds the ids 100 r, 100 r + 1, ...
TokenSource rows_of(const std::vector<int>& lengths) {
  TokenSource source;
  for (size_t r = 0; r < lengths.size(); ++r) {
    std::vector<int32_t> ids(static_cast<size_t>(lengths[r]));
    std::iota(ids.begin(), ids.end(), static_cast<int32_t>(100 * r));
    source.add_row(ids);
  }
  return source;
}

TEST(Packing, NoneMakesASequenceOfEachRow) {
  const TokenSource source = rows_of({5, 9, 3});
  const Shard shard = source.shard();
  const Packing cut(shard, {.kind = PackingKind::kNone, .sequence_length = 6});
  ASSERT_EQ(cut.num_sequences(), 3);
  EXPECT_EQ(cut.segments(1)[0].end, 6);
  EXPECT_EQ(cut.num_cut(), 1);
  const Packing dropped(shard,
                        {.kind = PackingKind::kNone, .overlong = Overlong::kDrop, .sequence_length = 6});
  ASSERT_EQ(dropped.num_sequences(), 2);
  EXPECT_EQ(dropped.segments(1)[0].row, 2);
  EXPECT_EQ(dropped.num_dropped(), 1);
}

TEST(Packing, BestFitKeepsWholeRowsAndFillsSequences) {
  std::vector<int> lengths;
  for (uint64_t i = 0; i < 500; ++i) lengths.push_back(2 + static_cast<int>(philox(1, i)[0] % 60));
  const TokenSource source = rows_of(lengths);
  const Shard shard = source.shard();
  const Packing packing(shard, {.kind = PackingKind::kBestFit, .sequence_length = 64});
  std::set<int64_t> rows;
  for (int64_t s = 0; s < packing.num_sequences(); ++s) {
    int64_t length = 0;
    for (const Segment& segment : packing.segments(s)) {
      EXPECT_TRUE(rows.insert(segment.row).second);
      EXPECT_EQ(segment.begin, 0);
      EXPECT_EQ(segment.end, shard.row_length(segment.row));
      length += segment.length();
    }
    EXPECT_LE(length, 64);
  }
  EXPECT_EQ(rows.size(), 500u);
  const double filled =
      static_cast<double>(packing.num_tokens()) / static_cast<double>(64 * packing.num_sequences());
  EXPECT_GT(filled, 0.97);
}

TEST(Packing, ConcatReadsEveryTokenOfTheStreamOnceAsATarget) {
  const TokenSource source = rows_of({5, 9, 3});
  const Shard shard = source.shard();
  const Packing packing(shard, {.kind = PackingKind::kConcat, .sequence_length = 4});
  ASSERT_EQ(packing.num_sequences(), 4);  // 17 tokens, 16 of them with a token before.
  std::vector<uint32_t> targets;
  for (int64_t s = 0; s < 4; ++s) {
    ASSERT_EQ(packing.stream(s).size(), 5u);
    targets.insert(targets.end(), packing.stream(s).begin() + 1, packing.stream(s).end());
  }
  EXPECT_EQ(targets, std::vector<uint32_t>(shard.tokens().begin() + 1, shard.tokens().end()));
}

TEST(Packing, KeepsTheEndOfLongPromptsAndTheBeginningOfAnswers) {
  TokenSource source;
  source.add_pair({1, 2, 3, 4}, {5, 6}, {7, 8, 9});
  source.add_pair({1}, {2}, {3});
  const Shard shard = source.shard();
  const Packing packing(shard, {.kind = PackingKind::kBestFit, .sequence_length = 4, .max_prompt_length = 2});
  ASSERT_EQ(packing.num_sequences(), 2);
  EXPECT_EQ(packing.segments(0)[0].begin, 2);
  EXPECT_EQ(packing.segments(0)[0].end, 6);
  EXPECT_EQ(packing.segments(0)[1].begin, 2);
  EXPECT_EQ(packing.segments(0)[1].end, 6);  // One token over the length is cut.
  EXPECT_EQ(packing.num_cut(), 1);
}

TEST(Packing, SaysWhenNothingIsLeft) {
  const TokenSource source = rows_of({9, 9});
  const Shard shard = source.shard();
  EXPECT_THROW(
      Packing(shard, {.kind = PackingKind::kNone, .overlong = Overlong::kDrop, .sequence_length = 6}), Error);
}

TEST(Batch, PutsTargetsStartsAndWeightsWhereTheyBelong) {
  TokenSource source;
  source.add_row({1, 2, 3}, {-100, 2, -100});
  source.add_row({4, 5});
  const auto mixture =
      source.mixture({.kind = PackingKind::kBestFit, .sequence_length = 8}, Order::kAsStored);
  const Batch batch = mixture->batch({{.source = 0, .sequence = 0}});
  EXPECT_EQ(batch.ids, (std::vector<int32_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(batch.starts, (std::vector<int32_t>{0, 0, 0, 3, 3}));
  EXPECT_EQ(batch.targets, (std::vector<int32_t>{2, 3, 0, 5, 0}));
  EXPECT_EQ(batch.weights, (std::vector<float>{1, 0, 0, 1, 0}));
  EXPECT_EQ(batch.total_weight(), 2);
}

TEST(Batch, OfAStreamRunsOnAndItsLastTokenHasATarget) {
  TokenSource source;
  source.add_row({1, 2, 3});
  source.add_row({4, 5});
  const auto mixture = source.mixture({.kind = PackingKind::kConcat, .sequence_length = 2}, Order::kAsStored);
  const Batch batch = mixture->batch({{.source = 0, .sequence = 1}, {.source = 0, .sequence = 0}});
  EXPECT_EQ(batch.ids, (std::vector<int32_t>{3, 4, 1, 2}));
  EXPECT_EQ(batch.starts, (std::vector<int32_t>{0, 0, 2, 2}));
  EXPECT_EQ(batch.targets, (std::vector<int32_t>{4, 5, 2, 3}));
  EXPECT_EQ(batch.weights, (std::vector<float>{1, 1, 1, 1}));
}

TEST(Mixture, GivesEverySourceItsShareAtEveryPlace) {
  const TokenSource a = rows_of({3, 3, 3, 3, 3}), b = rows_of({2, 2, 2});
  const Mixture mixture(mixture_sources({{&a, 0.7}, {&b, 0.3}}, {.kind = PackingKind::kNone}),
                        Order::kShuffled, 1);
  MixturePosition position = mixture.start();
  for (int64_t place = 1; place <= 200; ++place) {
    mixture.draw(position);
    EXPECT_LT(std::abs(static_cast<double>(position.drawn[0]) - 0.7 * static_cast<double>(place)), 1.0);
  }
  EXPECT_EQ(position.total(), 200);
}

TEST(Mixture, ReadsEverySequenceOnceInEachEpochAndInANewOrder) {
  const TokenSource source = rows_of(std::vector<int>(50, 2));
  const Mixture mixture(mixture_sources({{&source, 1.0}}, {.kind = PackingKind::kNone}), Order::kShuffled, 7);
  MixturePosition position = mixture.start();
  std::vector<std::vector<int64_t>> epochs(2);
  for (auto& epoch : epochs)
    for (int i = 0; i < 50; ++i) epoch.push_back(mixture.draw(position).sequence);
  EXPECT_NE(epochs[0], epochs[1]);
  for (auto& epoch : epochs) {
    EXPECT_FALSE(std::is_sorted(epoch.begin(), epoch.end()));
    EXPECT_EQ(std::set<int64_t>(epoch.begin(), epoch.end()).size(), 50u);
  }
}

TEST(Mixture, GoesOnFromASavedPositionAsIfItHadNeverStopped) {
  const TokenSource a = rows_of({3, 3, 3}), b = rows_of({2, 2});
  const Mixture mixture(mixture_sources({{&a, 0.5}, {&b, 0.5}}, {.kind = PackingKind::kNone}),
                        Order::kShuffled, 3);
  MixturePosition straight = mixture.start();
  for (int i = 0; i < 9; ++i) mixture.draw(straight);
  const auto saved = nlohmann::ordered_json::parse(straight.to_json().dump());
  MixturePosition resumed = mixture.position_from_json(saved, "test");
  for (int i = 0; i < 20; ++i) {
    const auto one = mixture.draw(straight), other = mixture.draw(resumed);
    EXPECT_EQ(one.source, other.source);
    EXPECT_EQ(one.sequence, other.sequence);
  }
  EXPECT_THROW(mixture.position_from_json({1, 2, 3}, "test"), Error);
  EXPECT_THROW(mixture.position_from_json("x", "test"), Error);
}

}  // namespace
}  // namespace poro
