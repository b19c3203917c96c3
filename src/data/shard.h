// Token rows on disk, mapped: `tokens` holds them end to end, `offsets` says where each begins, `meta.json`
// what they are. A shard is made once for each combination of source bytes, tokenizer, template and options,
// in a cache that runs share.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "base/file.h"
#include "base/threads.h"
#include "data/row_encoder.h"
#include "data/statistics.h"

namespace poro {

enum class RowKind {
  kRows,
  kPairs
};  // Pairs: rows 2i and 2i + 1 are the chosen and the rejected answer of preference i.

class Shard {
 public:
  // Throws Error if the folder is no whole shard.
  static Shard open(const std::filesystem::path& folder);

  RowKind kind() const { return kind_; }
  int64_t num_rows() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  int64_t num_tokens() const { return static_cast<int64_t>(tokens_.size()); }
  std::span<const uint32_t> row(int64_t index) const {
    const auto at = static_cast<size_t>(index);
    return tokens_.subspan(offsets_[at], offsets_[at + 1] - offsets_[at]);
  }
  int64_t row_length(int64_t index) const { return static_cast<int64_t>(row(index).size()); }
  // All rows run together.
  std::span<const uint32_t> tokens() const { return tokens_; }
  const RowStatistics& statistics() const { return statistics_; }
  // The hash of everything that made it, hence of what it holds.
  const std::string& key() const { return key_; }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  Shard(const std::filesystem::path& folder);

  std::filesystem::path folder_;
  MappedFile token_file_, offset_file_;
  std::span<const uint32_t> tokens_;
  std::span<const uint64_t> offsets_;
  RowKind kind_ = RowKind::kRows;
  RowStatistics statistics_;
  std::string key_;
};

enum class Malformed { kStop, kSkip };
constexpr std::array<Choice<Malformed>, 2> choices(Malformed) {
  return {{{"stop", Malformed::kStop}, {"skip", Malformed::kSkip}}};
}

struct ShardRequest {
  std::filesystem::path source;  // JSONL: plain, .gz or .zst
  RowKind kind = RowKind::kRows;
  Malformed malformed = Malformed::kStop;
  std::filesystem::path cache;  // The folder of shards; made if needed
};

// The shard of a source: from the cache, or made on all threads of the pool and put there. Two runs may ask
// for the same one at once: each makes its own and the first to finish gives it its name. Throws Error: a
// file that cannot be read, a malformed line (by file and line), a source without a row that counts, a full
// disk.
Shard open_or_make_shard(const ShardRequest& request, const RowEncoder& encoder, ThreadPool& pool);

}  // namespace poro
