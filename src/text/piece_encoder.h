// Pieces to ids, for one thread: a table of short pieces seen before answers most, and those it does not know
// are merged side by side. Pieces are worked on in blocks, so that what they need from memory is on its way
// together.
#pragma once

#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include "text/bpe.h"
#include "text/piece_cache.h"

namespace poro {

class PieceEncoder {
 public:
  // Forgets the pieces seen, for another tokenizer's.
  void clear() { cache_.clear(); }

  // Appends the ids of pieces that are not empty. `next_piece(piece, readable)` gives the next one, with how
  // many bytes may be read from its start; false: there is none.
  template <class NextPiece>
  void encode(NextPiece&& next_piece, const Bpe& bpe, const Vocabulary& vocabulary,
              std::vector<int32_t>& ids) {
    for (size_t count = kBlock; count == kBlock;) {
      size_t readable = 0;
      for (count = 0; count < kBlock && next_piece(pieces_[count], readable); ++count) {
        keys_[count] = PieceCache::key_of(pieces_[count], readable);
        cache_.prefetch(keys_[count]);
      }
      const size_t num_missing = look_up(count, bpe);
      bpe.encode_short({missing_.data(), num_missing}, vocabulary);
      append(count, bpe, vocabulary, ids);
      if (num_missing > 0) remember(count, bpe);
    }
  }

 private:
  static constexpr size_t kBlock = 64;
  static_assert(PieceCache::kMaxBytes <= Bpe::kShortPiece);

  static bool is_cacheable(std::string_view piece, const Bpe& bpe) {
    return piece.size() <= PieceCache::kMaxBytes && bpe.is_short(piece);
  }

  size_t look_up(size_t count, const Bpe& bpe) {
    size_t num_missing = 0;
    for (size_t i = 0; i < count; ++i) {
      entries_[i] = nullptr;
      if (!is_cacheable(pieces_[i], bpe)) continue;
      const PieceCache::Entry& entry = cache_.entry(keys_[i]);
      if (PieceCache::holds(entry, keys_[i]))
        entries_[i] = &entry;
      else
        missing_[num_missing++].text = pieces_[i];
    }
    return num_missing;
  }

  void append(size_t count, const Bpe& bpe, const Vocabulary& vocabulary, std::vector<int32_t>& ids) {
    const Bpe::ShortPiece* missing = missing_.data();
    int32_t* end = block_ids_.data();
    for (size_t i = 0; i < count; ++i) {
      if (entries_[i] != nullptr) {
        std::memcpy(end, entries_[i]->ids,
                    sizeof entries_[i]->ids);  // All of them: a length known beforehand is faster.
        end += entries_[i]->num_ids;
      } else if (is_cacheable(pieces_[i], bpe)) {
        end = (missing++)->copy_ids(end);
      } else {
        ids.insert(ids.end(), block_ids_.data(), end);
        end = block_ids_.data();
        bpe.encode(pieces_[i], vocabulary, scratch_, ids);
      }
    }
    ids.insert(ids.end(), block_ids_.data(), end);
  }

  // After the block's ids are out: a new entry may take the place of one that the block has used.
  void remember(size_t count, const Bpe& bpe) {
    const Bpe::ShortPiece* missing = missing_.data();
    for (size_t i = 0; i < count; ++i) {
      if (entries_[i] != nullptr || !is_cacheable(pieces_[i], bpe)) continue;
      const int32_t* end = (missing++)->copy_ids(block_ids_.data());
      const auto num_ids = static_cast<size_t>(end - block_ids_.data());
      if (num_ids <= PieceCache::kMaxIds)
        PieceCache::put(cache_.entry(keys_[i]), keys_[i], block_ids_.data(), num_ids);
    }
  }

  PieceCache cache_;
  Bpe::Scratch scratch_;
  std::array<std::string_view, kBlock> pieces_;
  std::array<PieceCache::Key, kBlock> keys_;
  std::array<const PieceCache::Entry*, kBlock> entries_;  // Null: not in the table.
  std::array<Bpe::ShortPiece, kBlock> missing_;           // The cacheable ones among those, in order.
  std::array<int32_t, kBlock * PieceCache::kMaxBytes + PieceCache::kMaxIds> block_ids_;
};

}  // namespace poro
