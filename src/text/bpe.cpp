#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include "base/error.h"

namespace poro {
namespace {

constexpr uint32_t kNoRank = PairRanks::kNoRank;
constexpr int kPlaceBits = 6;
static_assert(Bpe::kShortPiece == size_t{1} << kPlaceBits);
constexpr uint32_t kNoKey = kNoRank << kPlaceBits;  // And above: no merge.
constexpr int kNowhere = Bpe::kShortPiece;          // The place that holds no symbol.

}  // namespace

Bpe::Bpe(const Vocabulary& vocabulary, const std::vector<Merge>& merges, MissingBytes missing,
         WholePieces whole_pieces)
    : ranks_(merges.size()), missing_(std::move(missing)), whole_pieces_(whole_pieces) {
  for (int byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    byte_ids_[byte] = vocabulary.find({&text, 1});
    has_every_byte_ = has_every_byte_ && byte_ids_[byte] >= 0;
  }
  CHECK(merges.size() <= kMaxMerges && vocabulary.id_limit() <= kMaxId + 1, "{} merges, ids below {}",
        merges.size(), vocabulary.id_limit());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    ranks_.set(merges[rank].left, merges[rank].right, static_cast<uint32_t>(rank));
    results_.push_back(merges[rank].result);
  }
  for (const int32_t left : byte_ids_)
    for (const int32_t right : byte_ids_)
      byte_ranks_.push_back(left < 0 || right < 0 ? kNoRank : ranks_.rank_of(left, right));
}

void Bpe::encode(std::string_view piece, const Vocabulary& vocabulary, Scratch& scratch,
                 std::vector<int32_t>& ids) const {
  if (is_short(piece)) {
    ShortPiece one;
    one.text = piece;
    encode_short({&one, 1}, vocabulary);
    std::array<int32_t, kShortPiece> merged;
    ids.insert(ids.end(), merged.data(), one.copy_ids(merged.data()));
    return;
  }
  if (whole_pieces_ == WholePieces::kLookUp) {
    if (const int32_t id = vocabulary.find(piece); id >= 0) return ids.push_back(id);
  }
  symbols_of(piece, scratch.symbols);
  merge_long(scratch, ids);
}

void Bpe::encode_short(std::span<ShortPiece> pieces, const Vocabulary& vocabulary) const {
  constexpr size_t kTogether = 16;
  const bool looks_up = whole_pieces_ == WholePieces::kLookUp;
  std::array<ShortPiece*, kTogether> open;
  while (!pieces.empty()) {
    const std::span<ShortPiece> group = pieces.first(std::min(kTogether, pieces.size()));
    pieces = pieces.subspan(group.size());
    for (ShortPiece& piece : group) {
      piece.hash = looks_up ? hash_bytes(piece.text) : 0;
      if (looks_up) vocabulary.prefetch(piece.hash);
    }
    size_t num_open = 0;
    for (ShortPiece& piece : group) {
      const int32_t whole = looks_up ? vocabulary.find(piece.text, piece.hash) : -1;
      piece.symbols[0] = whole;
      piece.alive = 1;
      if (whole >= 0) continue;
      start(piece);
      open[num_open++] = &piece;
    }
    merge_side_by_side({open.data(), num_open});
  }
}

// Each step asks memory for what the next one reads.
void Bpe::merge_side_by_side(std::span<ShortPiece*> pieces) const {
  for (size_t num_open = pieces.size(); num_open > 0;) {
    for (size_t i = 0; i < num_open;) {
      if (choose(*pieces[i]))
        ++i;
      else
        pieces[i] = pieces[--num_open];
    }
    for (size_t i = 0; i < num_open; ++i) merge(*pieces[i]);
    for (size_t i = 0; i < num_open; ++i) rank_neighbours(*pieces[i]);
  }
}

void Bpe::start(ShortPiece& piece) const {
  const std::string_view text = piece.text;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  for (size_t i = 0; i < text.size(); ++i) piece.symbols[i] = byte_ids_[byte(i)];
  piece.symbols[kNowhere] = kMaxId + 1;
  const size_t last = text.size() - 1;
  for (size_t i = 0; i < last; ++i) {
    const uint32_t rank = byte_ranks_[size_t{byte(i)} << 8 | byte(i + 1)];
    piece.keys[i] = rank << kPlaceBits | static_cast<uint32_t>(i);
  }
  piece.num_keys = static_cast<int>((text.size() + 7) & ~size_t{7});
  for (auto i = static_cast<int>(last); i < piece.num_keys; ++i) piece.keys[i] = kNoKey;
  piece.alive = ~uint64_t{0} >> (63 - last);
}

// The pair of the lowest rank, of several the leftmost; false: none is a merge.
bool Bpe::choose(ShortPiece& piece) const {
  std::array<uint32_t, 8> lowest;
  std::memcpy(lowest.data(), piece.keys.data(), sizeof lowest);
  for (int start = 8; start < piece.num_keys; start += 8)
    for (int i = 0; i < 8; ++i) lowest[i] = std::min(lowest[i], piece.keys[start + i]);
  for (int half = 4; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lowest[i] = std::min(lowest[i], lowest[i + half]);
  piece.best_key = lowest[0];
  if (piece.best_key >= kNoKey) return false;
  __builtin_prefetch(&results_[piece.best_key >> kPlaceBits]);
  return true;
}

void Bpe::merge(ShortPiece& piece) const {
  const int place = static_cast<int>(piece.best_key) & (kNowhere - 1);
  const uint64_t before = piece.alive & ((uint64_t{1} << place) - 1);
  const uint64_t after =
      piece.alive ^ before ^ uint64_t { 1 } << place;  // At least one bit: of what it merges with.
  const int gone = std::countr_zero(after);
  const uint64_t behind = after & (after - 1);
  piece.alive ^= uint64_t{1} << gone;
  piece.keys[gone] = kNoKey;
  piece.symbols[place] = results_[piece.best_key >> kPlaceBits];
  piece.merged = place;
  piece.left = before != 0 ? std::bit_width(before) - 1 : kNowhere;
  const int right = behind != 0 ? std::countr_zero(behind) : kNowhere;
  piece.left_pair = ranks_.place_of(piece.symbols[piece.left], piece.symbols[place]);
  piece.merged_pair = ranks_.place_of(piece.symbols[place], piece.symbols[right]);
  ranks_.prefetch(piece.left_pair);
  ranks_.prefetch(piece.merged_pair);
}

void Bpe::rank_neighbours(ShortPiece& piece) const {
  const auto key = [&](PairRanks::Place pair, int place) {
    return ranks_.rank_at(pair) << kPlaceBits | static_cast<uint32_t>(place);
  };
  piece.keys[piece.left] = key(piece.left_pair, piece.left);
  piece.keys[piece.merged] = key(piece.merged_pair, piece.merged);
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
    if (const uint32_t rank = ranks_.rank_of(symbols[i], symbols[i + 1]); rank != kNoRank)
      heap.push_back(entry(rank, i));
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  const auto push = [&](int32_t left, int32_t right) {
    const uint32_t rank = ranks_.rank_of(symbols[left], symbols[right]);
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
    if (ranks_.rank_of(symbols[at], symbols[right]) != rank) continue;
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
