#include "data/shard.h"

#include "base/error.h"
#include "base/json.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxMetaBytes = uint64_t{16} << 20;

[[noreturn]] void fail_damaged(const fs::path& folder) {
  fail("the tokens in {} are damaged; remove the folder, and the next run makes it again", folder.string());
}

template <class T>
std::span<const T> elements(const MappedFile& file, const fs::path& folder) {
  if (file.bytes().size() % sizeof(T) != 0) fail_damaged(folder);
  return {reinterpret_cast<const T*>(file.bytes().data()), file.bytes().size() / sizeof(T)};
}

}  // namespace

Shard::Shard(const fs::path& folder)
    : folder_(folder), token_file_(folder / "tokens"), offset_file_(folder / "offsets") {}

Shard Shard::open(const fs::path& folder) {
  const fs::path meta_path = folder / "meta.json";
  const nlohmann::ordered_json meta =
      nlohmann::ordered_json::parse(read_file(meta_path, kMaxMetaBytes), nullptr, false);
  if (!meta.is_object() || !meta.contains("statistics") || !meta.contains("key") || !meta.contains("kind"))
    fail_damaged(folder);
  Shard shard(folder);
  shard.tokens_ = elements<uint32_t>(shard.token_file_, folder);
  shard.offsets_ = elements<uint64_t>(shard.offset_file_, folder);
  shard.key_ = meta["key"];
  shard.kind_ = meta["kind"] == "pairs" ? RowKind::kPairs : RowKind::kRows;
  shard.statistics_ = RowStatistics::from_json(meta["statistics"], meta_path.string());
  const size_t rows = static_cast<size_t>(shard.statistics_.rows) * (shard.kind_ == RowKind::kPairs ? 2 : 1);
  if (shard.offsets_.size() != rows + 1 || shard.offsets_.front() != 0 ||
      shard.offsets_.back() != shard.tokens_.size() ||
      !std::is_sorted(shard.offsets_.begin(), shard.offsets_.end()))
    fail_damaged(folder);
  return shard;
}

}  // namespace poro
