// Byte-pair encoding of one piece of text: start from single bytes, merge the adjacent pair of the lowest
// rank (leftmost first) until no pair is a merge (Sennrich et al. 2016, over bytes as in GPT-2). Exact for
// every list of merges, also those no trainer would make.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

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

  // Beyond these, ids and ranks do not fit the table.
  static constexpr int32_t kMaxId = (1 << 22) - 2;
  static constexpr size_t kMaxMerges = (1 << 20) - 2;

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

 private:
  // A pair of ids and its rank in one word, so that the table of a large vocabulary stays within reach of the
  // caches.
  static constexpr int kIdBits = 22, kRankBits = 20;
  static constexpr uint64_t kFreeSlot = ~uint64_t{0};
  static constexpr uint32_t kNoRank = (1 << kRankBits) - 1;

  static uint64_t pair_of(int32_t left, int32_t right) {
    return static_cast<uint64_t>(left) << kIdBits | static_cast<uint64_t>(right);
  }
  size_t slot_of(uint64_t pair) const { return pair * 0x9E3779B97F4A7C15 >> shift_; }
  void prefetch(int32_t left, int32_t right) const {
    __builtin_prefetch(&slots_[slot_of(pair_of(left, right))]);
  }
  // The rank of the merge of two tokens; kNoRank if they do not merge.
  uint32_t rank_of(int32_t left, int32_t right) const {
    const uint64_t pair = pair_of(left, right);
    for (size_t slot = slot_of(pair);; slot = (slot + 1) & mask_) {
      const uint64_t content = slots_[slot];
      if (content >> kRankBits == pair) return static_cast<uint32_t>(content) & kNoRank;
      if (content == kFreeSlot) return kNoRank;
    }
  }
  void symbols_of(std::string_view piece, std::vector<int32_t>& symbols) const;
  void encode_short(std::string_view piece, std::vector<int32_t>& ids) const;
  void merge_short(int32_t* symbols, uint32_t* ranks, int count, std::vector<int32_t>& ids) const;
  void merge_long(Scratch& scratch, std::vector<int32_t>& ids) const;

  std::vector<uint64_t> slots_;
  size_t mask_ = 0;
  int shift_ = 0;
  std::vector<int32_t> results_;       // By rank.
  std::vector<uint32_t> byte_ranks_;   // By two bytes: the rank of the merge of their tokens.
  std::array<int32_t, 256> byte_ids_;  // -1: no token for this byte.
  MissingBytes missing_;
  WholePieces whole_pieces_;
  bool has_every_byte_ = true;
};

}  // namespace poro
