#include "data/pack.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/error.h"

namespace poro {
namespace {

// Room left in open sequences, to find the least room of at least n: a tree over lengths, each node with the
// most room of any sequence below it.
class RoomTree {
 public:
  explicit RoomTree(int64_t most)
      : leaves_(std::bit_ceil(static_cast<uint64_t>(most) + 1)), has_(2 * leaves_) {}

  void set(int64_t room, bool present) {
    size_t node = leaves_ + static_cast<size_t>(room);
    has_[node] = present;
    for (node /= 2; node > 0; node /= 2) has_[node] = has_[2 * node] || has_[2 * node + 1];
  }

  // The least room of at least `wanted` that is present, or -1.
  int64_t at_least(int64_t wanted) const {
    size_t node = leaves_ + static_cast<size_t>(wanted);
    if (has_[node]) return wanted;
    // Up until a right neighbour holds something, then down its left side.
    while (node > 1 && (node % 2 == 1 || !has_[node + 1])) node /= 2;
    if (node <= 1) return -1;
    for (++node; node < leaves_;) node = has_[2 * node] ? 2 * node : 2 * node + 1;
    return static_cast<int64_t>(node - leaves_);
  }

 private:
  size_t leaves_;
  std::vector<bool> has_;
};

bool counts_something(std::span<const uint32_t> row, const Segment& segment) {
  const auto tokens = row.subspan(static_cast<size_t>(segment.begin), static_cast<size_t>(segment.length()));
  return tokens.size() >= 2 && std::any_of(tokens.begin() + 1, tokens.end(), is_counted);
}

}  // namespace

Packing::Packing(const Shard& shard, const PackingOptions& options) : shard_(&shard), options_(options) {
  if (shard.kind() == RowKind::kPairs) options_.kind = PackingKind::kNone;
  if (options_.kind == PackingKind::kConcat) {
    num_tokens_ = shard.num_tokens() - 1;
    longest_ = std::min(num_tokens_, options_.sequence_length);
  } else if (shard.kind() == RowKind::kPairs) {
    pack_pairs();
  } else {
    pack_rows();
  }
  if (num_sequences() == 0)
    fail(
        "no row of {} is left after {} were dropped as longer than data.sequence_length = {} or without a "
        "token that counts",
        shard.folder().string(), num_dropped_, options_.sequence_length);
}

int64_t Packing::num_sequences() const {
  if (options_.kind == PackingKind::kConcat)
    return (num_tokens_ + options_.sequence_length - 1) / options_.sequence_length;
  return static_cast<int64_t>(firsts_.size()) - 1;
}

std::span<const Segment> Packing::segments(int64_t sequence) const {
  const auto first = static_cast<size_t>(firsts_.at(static_cast<size_t>(sequence)));
  return std::span(segments_).subspan(
      first, static_cast<size_t>(firsts_.at(static_cast<size_t>(sequence) + 1)) - first);
}

std::span<const uint32_t> Packing::stream(int64_t sequence) const {
  const int64_t first = sequence * options_.sequence_length;
  const int64_t count = std::min(options_.sequence_length, num_tokens_ - first) + 1;
  return shard_->tokens().subspan(static_cast<size_t>(first), static_cast<size_t>(count));
}

void Packing::add_sequence(std::span<const Segment> segments) {
  int64_t length = 0;
  for (const Segment& segment : segments) {
    segments_.push_back(segment);
    length += segment.length();
  }
  num_tokens_ += length;
  longest_ = std::max(longest_, length);
  firsts_.push_back(static_cast<int64_t>(segments_.size()));
}

bool Packing::trim(Segment& segment) {
  if (segment.length() <= options_.sequence_length) return true;
  if (options_.overlong == Overlong::kCut) {
    segment.end = segment.begin + static_cast<int32_t>(options_.sequence_length);
    if (counts_something(shard_->row(segment.row), segment)) return ++num_cut_, true;
  }
  ++num_dropped_;
  return false;
}

void Packing::pack_pairs() {
  for (int64_t first = 0; first < shard_->num_rows(); first += 2) {
    Segment pair[2];
    bool is_kept = true;
    for (int64_t i = 0; i < 2 && is_kept; ++i) {
      const std::span<const uint32_t> row = shard_->row(first + i);
      pair[i] = {.row = first + i, .begin = 0, .end = static_cast<int32_t>(row.size())};
      const auto answer =
          static_cast<int32_t>(std::find_if(row.begin(), row.end(), is_counted) - row.begin());
      if (options_.max_prompt_length > 0 && answer > options_.max_prompt_length)
        pair[i].begin = answer - static_cast<int32_t>(options_.max_prompt_length);
      is_kept = trim(pair[i]);
    }
    if (is_kept) add_sequence(pair);
  }
}

void Packing::pack_rows() {
  std::vector<Segment> rows;
  for (int64_t index = 0; index < shard_->num_rows(); ++index) {
    Segment row{.row = index, .begin = 0, .end = static_cast<int32_t>(shard_->row_length(index))};
    if (trim(row)) rows.push_back(row);
  }
  if (options_.kind == PackingKind::kBestFit) return fit_rows(rows);
  for (const Segment& row : rows) add_sequence({&row, 1});
}

void Packing::fit_rows(const std::vector<Segment>& rows) {
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return rows[a].length() > rows[b].length(); });
  std::vector<std::vector<Segment>> sequences;
  std::vector<std::vector<size_t>> with_room(static_cast<size_t>(options_.sequence_length) +
                                             1);  // By room, the open sequences.
  RoomTree tree(options_.sequence_length);
  for (const size_t at : order) {
    const Segment& row = rows[at];
    const int64_t room = tree.at_least(row.length());
    size_t chosen = sequences.size();
    if (room < 0) {
      sequences.emplace_back();
    } else {
      auto& open = with_room[static_cast<size_t>(room)];
      chosen = open.back();
      open.pop_back();
      if (open.empty()) tree.set(room, false);
    }
    sequences[chosen].push_back(row);
    const int64_t left = (room < 0 ? options_.sequence_length : room) - row.length();
    with_room[static_cast<size_t>(left)].push_back(chosen);
    tree.set(left, true);
  }
  for (const auto& sequence : sequences) add_sequence(sequence);
}

}  // namespace poro
