#include "text/bpe.h"

#include <algorithm>
#include <functional>

#include "base/error.h"

namespace poro {
namespace {

// Up to here a scan over all pairs beats a heap.
constexpr size_t kShortPiece = 64;

}  // namespace

Bpe::Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, MissingBytes missing,
         WholePieces whole_pieces)
    : missing_(std::move(missing)), whole_pieces_(whole_pieces) {
  for (int byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    byte_ids_[byte] = vocabulary.find({&text, 1});
    has_every_byte_ = has_every_byte_ && byte_ids_[byte] >= 0;
  }
  CHECK(merges.size() <= kMaxMerges && vocabulary.id_limit() <= kMaxId + 1, "{} merges, ids below {}",
        merges.size(), vocabulary.id_limit());
  int slot_bits = 4;
  while (size_t{1} << slot_bits < merges.size() + merges.size() / 2) ++slot_bits;
  slots_.assign(size_t{1} << slot_bits, kFreeSlot);
  mask_ = slots_.size() - 1;
  shift_ = 64 - slot_bits;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const uint64_t pair = pair_of(merges[rank].left, merges[rank].right);
    size_t slot = slot_of(pair);
    while (slots_[slot] != kFreeSlot && slots_[slot] >> kRankBits != pair) slot = (slot + 1) & mask_;
    slots_[slot] = pair << kRankBits | rank;
    results_.push_back(merges[rank].result);
  }
  for (const int32_t left : byte_ids_)
    for (const int32_t right : byte_ids_)
      byte_ranks_.push_back(left < 0 || right < 0 ? kNoRank : rank_of(left, right));
}

void Bpe::encode(std::string_view piece, const Vocabulary& vocabulary, Scratch& scratch,
                 std::vector<int32_t>& ids) const {
  if (whole_pieces_ == WholePieces::kLookUp) {
    if (const int32_t id = vocabulary.find(piece); id >= 0) return ids.push_back(id);
  }
  if (has_every_byte_ && piece.size() <= kShortPiece) return encode_short(piece, ids);
  symbols_of(piece, scratch.symbols);
  const size_t count = scratch.symbols.size();
  if (count > kShortPiece) return merge_long(scratch, ids);
  std::array<uint32_t, kShortPiece> ranks;
  for (size_t i = 0; i + 1 < count; ++i) ranks[i] = rank_of(scratch.symbols[i], scratch.symbols[i + 1]);
  merge_short(scratch.symbols.data(), ranks.data(), static_cast<int>(count), ids);
}

void Bpe::encode_short(std::string_view piece, std::vector<int32_t>& ids) const {
  std::array<int32_t, kShortPiece> symbols;
  std::array<uint32_t, kShortPiece> ranks;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(piece[i]); };
  for (size_t i = 0; i < piece.size(); ++i) symbols[i] = byte_ids_[byte(i)];
  for (size_t i = 0; i + 1 < piece.size(); ++i) ranks[i] = byte_ranks_[size_t{byte(i)} << 8 | byte(i + 1)];
  merge_short(symbols.data(), ranks.data(), static_cast<int>(piece.size()), ids);
}

void Bpe::symbols_of(std::string_view piece, std::vector<int32_t>& symbols) const {
  symbols.clear();
  symbols.reserve(piece.size());
  bool is_unknown_pending = false;
  for (const char c : piece) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte_ids_[byte] >= 0) {
      if (is_unknown_pending) symbols.push_back(missing_.unknown_id);
      is_unknown_pending = false;
      symbols.push_back(byte_ids_[byte]);
    } else if (!missing_.fallback[byte].empty()) {
      // The reference leaves a pending unknown pending here, so it comes after the fallback tokens.
      symbols.insert(symbols.end(), missing_.fallback[byte].begin(), missing_.fallback[byte].end());
    } else if (missing_.unknown_id >= 0) {
      if (is_unknown_pending && missing_.fuse == MissingBytes::Fuse::kNo)
        symbols.push_back(missing_.unknown_id);
      is_unknown_pending = true;
    }
  }
  if (is_unknown_pending) symbols.push_back(missing_.unknown_id);
}

// ranks[i]: of the merge of symbols[i] and symbols[i + 1].
void Bpe::merge_short(int32_t* symbols, uint32_t* ranks, int count, std::vector<int32_t>& ids) const {
  while (count > 1) {
    int best = 0;
    for (int i = 1; i + 1 < count; ++i) best = ranks[i] < ranks[best] ? i : best;
    if (ranks[best] == kNoRank) break;
    symbols[best] = results_[ranks[best]];
    --count;
    std::copy(symbols + best + 2, symbols + count + 1, symbols + best + 1);
    std::copy(ranks + best + 1, ranks + count, ranks + best);
    // Two misses of the cache at once cost no more than one.
    if (best > 0) prefetch(symbols[best - 1], symbols[best]);
    if (best + 1 < count) ranks[best] = rank_of(symbols[best], symbols[best + 1]);
    if (best > 0) ranks[best - 1] = rank_of(symbols[best - 1], symbols[best]);
  }
  ids.insert(ids.end(), symbols, symbols + count);
}

// A linked list of symbols and a heap of (rank, position); an entry whose pair has changed since is
// recognised by its rank.
void Bpe::merge_long(Scratch& scratch, std::vector<int32_t>& ids) const {
  std::vector<int32_t>& symbols = scratch.symbols;
  const auto count = static_cast<int32_t>(symbols.size());
  scratch.previous.resize(symbols.size());
  scratch.next.resize(symbols.size());
  std::vector<uint64_t>& heap = scratch.heap;
  heap.clear();
  const auto entry = [](uint32_t rank, int32_t at) {
    return static_cast<uint64_t>(rank) << 32 | static_cast<uint32_t>(at);
  };
  for (int32_t i = 0; i < count; ++i) {
    scratch.previous[i] = i - 1;
    scratch.next[i] = i + 1;
    if (i + 1 == count) break;
    if (const uint32_t rank = rank_of(symbols[i], symbols[i + 1]); rank != kNoRank)
      heap.push_back(entry(rank, i));
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  const auto push = [&](int32_t left, int32_t right) {
    const uint32_t rank = rank_of(symbols[left], symbols[right]);
    if (rank == kNoRank) return;
    heap.push_back(entry(rank, left));
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  constexpr int32_t kGone = -1;
  while (!heap.empty()) {
    const auto rank = static_cast<uint32_t>(heap.front() >> 32);
    const auto at = static_cast<int32_t>(heap.front());
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    heap.pop_back();
    if (symbols[at] == kGone || scratch.next[at] == count) continue;
    const int32_t right = scratch.next[at];
    if (rank_of(symbols[at], symbols[right]) != rank) continue;
    symbols[at] = results_[rank];
    symbols[right] = kGone;
    scratch.next[at] = scratch.next[right];
    if (scratch.next[at] < count) scratch.previous[scratch.next[at]] = at;
    if (scratch.previous[at] >= 0) push(scratch.previous[at], at);
    if (scratch.next[at] < count) push(at, scratch.next[at]);
  }
  for (int32_t i = 0; i < count; i = scratch.next[i]) ids.push_back(symbols[i]);
}

}  // namespace poro
