// Byte-pair encoding of one piece of text: start from single bytes, merge the adjacent pair of the lowest
// rank (leftmost first) until no pair is a merge (Sennrich et al. 2016, over bytes as in GPT-2). Exact for
// every list of merges, also those no trainer would make.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "text/pair_ranks.h"
#include "text/vocabulary.h"

namespace poro {

struct Merge {
  int32_t left, right, result;  // token ids
};

// What becomes of a byte that has no token of its own.
struct MissingBytes {
  int32_t unknown_id = -1;                              // -1: the byte is dropped.
  enum class Fuse { kNo, kYes } fuse = Fuse::kNo;       // Neighbouring unknowns become one.
  std::array<std::vector<int32_t>, 256> fallback = {};  // Tokens that stand for the byte; empty: none.
};

class Bpe {
 public:
  enum class WholePieces { kMerge, kLookUp };  // Is a piece that is a token taken whole (ignore_merges)?

  static constexpr int32_t kMaxId = PairRanks::kMaxId;
  static constexpr size_t kMaxMerges = PairRanks::kNoRank;

  // `merges` in the order of their rank; a pair that comes twice has its last rank. At most kMaxMerges, of
  // ids up to kMaxId.
  Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, MissingBytes missing,
      WholePieces whole_pieces);

  // Buffers of one thread, kept between calls.
  struct Scratch {
    std::vector<int32_t> symbols, previous, next;
    std::vector<uint64_t> heap;
  };

  // Appends the ids of a piece. `vocabulary` is the one given to the constructor.
  void encode(std::string_view piece, const Vocabulary& vocabulary, Scratch& scratch,
              std::vector<int32_t>& ids) const;

  // A piece short enough that a look at all its pairs beats a heap, on its way to ids. A symbol stays at the
  // place of its first byte, and `alive` has a bit for every place that holds one; behind the last place is
  // one that holds no symbol, for what lies before the first and after the last.
  static constexpr size_t kShortPiece = 64;
  struct ShortPiece {
    std::string_view text;
    uint64_t alive;
    std::array<int32_t, kShortPiece + 1> symbols;
    std::array<uint32_t, kShortPiece + 1>
        keys;      // The rank of the merge with the next symbol, then the place.
    int num_keys;  // A multiple of eight.
    uint32_t best_key;
    int left, merged;  // Places: of the last merge, and before it.
    PairRanks::Place left_pair, merged_pair;
    uint64_t hash;

    // Behind the ids, at most as many as the text has bytes.
    int32_t* copy_ids(int32_t* out) const {
      for (uint64_t rest = alive; rest != 0; rest &= rest - 1) *out++ = symbols[__builtin_ctzll(rest)];
      return out;
    }
  };
  // Can this piece go through encode_short?
  bool is_short(std::string_view piece) const { return piece.size() <= kShortPiece && has_every_byte_; }
  // Encodes pieces side by side: the tables are larger than the caches near the processor, which so waits for
  // what all pieces need at once instead of for one after the other.
  void encode_short(std::span<ShortPiece> pieces, const Vocabulary& vocabulary) const;

 private:
  void start(ShortPiece& piece) const;
  bool choose(ShortPiece& piece) const;
  void merge(ShortPiece& piece) const;
  void rank_neighbours(ShortPiece& piece) const;
  void merge_side_by_side(std::span<ShortPiece*> pieces) const;
  void symbols_of(std::string_view piece, std::vector<int32_t>& symbols) const;
  void merge_long(Scratch& scratch, std::vector<int32_t>& ids) const;

  PairRanks ranks_;
  std::vector<int32_t> results_;       // By rank.
  std::vector<uint32_t> byte_ranks_;   // By two bytes: the rank of the merge of their tokens.
  std::array<int32_t, 256> byte_ids_;  // -1: no token for this byte.
  MissingBytes missing_;
  WholePieces whole_pieces_;
  bool has_every_byte_ = true;
};

}  // namespace poro
