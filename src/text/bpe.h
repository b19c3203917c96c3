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

  // `merges` in the order of their rank; a pair that comes twice has its last rank.
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
  struct Target {
    uint32_t rank;
    int32_t result;
  };
  struct Slot {
    uint64_t pair;
    Target target;
  };
  static constexpr uint64_t kFreeSlot = ~uint64_t{0};
  static constexpr uint32_t kNoRank = ~uint32_t{0};

  static uint64_t pair_of(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  Target find(int32_t left, int32_t right) const {
    const uint64_t pair = pair_of(left, right);
    size_t slot = mix64(pair, 0x9E3779B97F4A7C15) & mask_;
    while (slots_[slot].pair != pair) {
      if (slots_[slot].pair == kFreeSlot) return {kNoRank, -1};
      slot = (slot + 1) & mask_;
    }
    return slots_[slot].target;
  }
  void symbols_of(std::string_view piece, std::vector<int32_t>& symbols) const;
  void merge_short(int32_t* symbols, int count, std::vector<int32_t>& ids) const;
  void merge_long(Scratch& scratch, std::vector<int32_t>& ids) const;

  std::vector<Slot> slots_;
  size_t mask_ = 0;
  std::array<int32_t, 256> byte_ids_;  // -1: no token for this byte.
  MissingBytes missing_;
  WholePieces whole_pieces_;
  bool has_every_byte_ = true;
};

}  // namespace poro
