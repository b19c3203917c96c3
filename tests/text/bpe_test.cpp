// Byte-pair encoding against its definition, word for word: merge the leftmost pair of the lowest rank until
// there is none.
#include "text/bpe.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "text/piece_encoder.h"

namespace poro {
namespace {

using Ids = std::vector<int32_t>;

// Every byte is a token; then merges of any two tokens, in no order that a trainer would find.
struct RandomMerges {
  explicit RandomMerges(uint32_t seed) : random(seed) {
    for (int byte = 0; byte < 256; ++byte) {
      const char text = static_cast<char>(byte);
      vocabulary.add({&text, 1}, byte);
    }
    Ids tokens = {'a', 'b', 'c'};
    while (merges.size() < 60) {
      const int32_t left = tokens[random() % tokens.size()], right = tokens[random() % tokens.size()];
      const std::string text = std::string(vocabulary.bytes(left)) + std::string(vocabulary.bytes(right));
      if (text.size() > 40) continue;
      int32_t result = vocabulary.find(text);
      if (result < 0) {
        result = vocabulary.id_limit();
        vocabulary.add(text, result);
        tokens.push_back(result);
      }
      merges.push_back({left, right, result});
    }
    std::shuffle(merges.begin(), merges.end(), random);
  }

  std::string text(size_t size) {
    std::string text;
    while (text.size() < size) text += "abc"[random() % 3];
    return text;
  }

  Ids encode_by_definition(std::string_view text) const {
    std::map<std::pair<int32_t, int32_t>, size_t> ranks;
    for (size_t rank = 0; rank < merges.size(); ++rank) ranks[{merges[rank].left, merges[rank].right}] = rank;
    Ids ids(text.begin(), text.end());
    while (true) {
      size_t best = merges.size(), place = 0;
      for (size_t i = 0; i + 1 < ids.size(); ++i) {
        const auto found = ranks.find({ids[i], ids[i + 1]});
        if (found == ranks.end() || found->second >= best) continue;
        best = found->second;
        place = i;
      }
      if (best == merges.size()) return ids;
      ids[place] = merges[best].result;
      ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(place) + 1);
    }
  }

  std::mt19937 random;
  Vocabulary vocabulary;
  std::vector<Merge> merges;
};

TEST(Bpe, IsItsDefinition) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    RandomMerges random(seed);
    const Bpe bpe(random.vocabulary, random.merges, {}, Bpe::WholePieces::kMerge);
    Bpe::Scratch scratch;
    for (const size_t size : {1, 2, 3, 7, 8, 9, 16, 24, 25, 63, 64, 65, 100, 200}) {
      const std::string text = random.text(size);
      Ids ids;
      bpe.encode(text, random.vocabulary, scratch, ids);
      ASSERT_EQ(ids, random.encode_by_definition(text)) << "seed " << seed << ": " << text;
    }
  }
}

TEST(Bpe, EncodesPiecesInBlocksAsOneByOne) {
  RandomMerges random(7);
  const Bpe bpe(random.vocabulary, random.merges, {}, Bpe::WholePieces::kMerge);
  PieceEncoder encoder;
  // Twice over the same pieces: merged first, then from the table.
  for (int round = 0; round < 2; ++round) {
    for (const size_t count : {0, 1, 63, 64, 65, 1000}) {
      std::string text;
      std::vector<size_t> sizes;
      Ids expected;
      random.random.seed(static_cast<uint32_t>(count));
      for (size_t i = 0; i < count; ++i) {
        sizes.push_back(1 + random.random() % (i % 50 == 7 ? 150 : 30));
        const std::string piece = random.text(sizes.back());
        text += piece;
        const Ids ids = random.encode_by_definition(piece);
        expected.insert(expected.end(), ids.begin(), ids.end());
      }
      size_t next = 0, at = 0;
      Ids ids;
      encoder.encode(
          [&](std::string_view& piece, size_t& readable) {
            if (next == sizes.size()) return false;
            readable = text.size() - at;
            piece = std::string_view(text).substr(at, sizes[next]);
            at += sizes[next++];
            return true;
          },
          bpe, random.vocabulary, ids);
      ASSERT_EQ(ids, expected) << count;
    }
  }
}

TEST(PairRanks, HoldsEveryPairWhereverThereIsRoom) {
  std::mt19937 random(3);
  // Ten times as many as expected: many find their bucket full.
  PairRanks ranks(20'000);
  std::map<std::pair<int32_t, int32_t>, uint32_t> expected;
  const auto any_id = [&] { return static_cast<int32_t>(random() % 1000 * 4194); };
  for (uint32_t rank = 0; rank < 200'000; ++rank) {
    const std::pair pair(any_id(), any_id());
    ranks.set(pair.first, pair.second, rank);
    expected[pair] = rank;
  }
  for (const auto& [pair, rank] : expected) ASSERT_EQ(ranks.rank_of(pair.first, pair.second), rank);
  for (int i = 0; i < 200'000; ++i) {
    const std::pair pair(any_id(), any_id());
    if (expected.contains(pair)) continue;
    ASSERT_EQ(ranks.rank_of(pair.first, pair.second), PairRanks::kNoRank);
  }
  EXPECT_EQ(ranks.rank_of(PairRanks::kMaxId + 1, 0), PairRanks::kNoRank);
}

}  // namespace
}  // namespace poro
