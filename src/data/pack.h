// Rows to sequences of at most `sequence_length` tokens. `none`: a row is a sequence. `concat`: the rows run
// on into one stream, which is cut where a sequence is full; attention runs on too, as Megatron-LM trains.
// `best-fit`: whole rows share a sequence, each put into the fullest one that still has room, longest rows
// first, and attention stays inside each (Ding et al., Fewer truncations improve language modeling, 2024).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/shard.h"

namespace poro {

enum class PackingKind { kNone, kConcat, kBestFit };
constexpr std::array<Choice<PackingKind>, 3> choices(PackingKind) {
  return {
      {{"none", PackingKind::kNone}, {"concat", PackingKind::kConcat}, {"best-fit", PackingKind::kBestFit}}};
}

enum class Overlong { kCut, kDrop };  // Rows over the length, and preferences of which an answer is.
constexpr std::array<Choice<Overlong>, 2> choices(Overlong) {
  return {{{"cut", Overlong::kCut}, {"drop", Overlong::kDrop}}};
}

struct PackingOptions {
  PackingKind kind = PackingKind::kBestFit;
  Overlong overlong = Overlong::kCut;
  int64_t sequence_length = 4096;
  int64_t max_prompt_length = 0;  // Of preferences: only the last tokens of a longer prompt are kept; 0: all.
};

// Tokens [begin, end) of one row.
struct Segment {
  int64_t row = 0;
  int32_t begin = 0, end = 0;

  int64_t length() const { return end - begin; }
};

// Which rows make up which sequence, for one shard. A preference is one sequence of two segments, chosen and
// rejected.
class Packing {
 public:
  // Throws Error where no sequence is left. `shard` must outlive it.
  Packing(const Shard& shard, const PackingOptions& options);

  int64_t num_sequences() const;
  // Not for concat.
  std::span<const Segment> segments(int64_t sequence) const;
  // For concat only: tokens of the stream that a sequence reads, and the one after them, which is the last
  // one's target.
  std::span<const uint32_t> stream(int64_t sequence) const;

  const PackingOptions& options() const { return options_; }
  int64_t num_tokens() const { return num_tokens_; }  // In all sequences.
  int64_t num_cut() const { return num_cut_; }        // Rows
  int64_t num_dropped() const { return num_dropped_; }
  int64_t longest() const {
    return longest_;
  }  // Tokens of the longest sequence; of a pair, both answers together.

 private:
  void pack_pairs();
  void pack_rows();
  void fit_rows(const std::vector<Segment>& rows);
  void add_sequence(std::span<const Segment> segments);
  // What is left of a row; nothing when it is dropped.
  bool trim(Segment& segment);

  const Shard* shard_;
  PackingOptions options_;
  std::vector<Segment> segments_;
  std::vector<int64_t> firsts_ = {0};  // Of segments_, for each sequence, and the end.
  int64_t num_tokens_ = 0, num_cut_ = 0, num_dropped_ = 0, longest_ = 0;
};

}  // namespace poro
