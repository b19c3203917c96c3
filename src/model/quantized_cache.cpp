#include "model/quantized_cache.h"

#include <cstring>

#include "base/digest.h"
#include "base/error.h"
#include "base/log.h"
#include "ops/quantize.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

// Changes with the layout of the blocks and with how weights are rounded: files of another layout are never
// found.
constexpr const char* kLayout = "poro blocks 1";

fs::path cache_file(const fs::path& folder, const Checkpoint& checkpoint, const QuantizedCache::Kind& kind) {
  Digest digest(Digest::Kind::kSha256);
  digest.update(fmt::format("{} {}\n", kLayout, dtype_name(kind.dtype)));
  if (kind.ranks > 1) digest.update(fmt::format("part {} of {}\n", kind.rank, kind.ranks));
  for (const fs::path& file : checkpoint.files()) {
    const fs::path real = fs::canonical(file);
    digest.update(fmt::format("{} {} {}\n", real.string(), fs::file_size(real),
                              fs::last_write_time(real).time_since_epoch().count()));
  }
  return folder / (digest.hex() + ".safetensors");
}

}  // namespace

QuantizedCache::QuantizedCache(const fs::path& folder, const Checkpoint& checkpoint, const Kind& kind)
    : path_(cache_file(folder, checkpoint, kind)) {
  if (!fs::exists(path_)) return;
  try {
    file_.emplace(path_);
  } catch (const Error& error) {
    warn("the kept weights are unusable and are made anew: {}", error.what());
  }
}

bool QuantizedCache::read(ThreadPool& pool, const std::string& name, const Matrix& target) {
  if (!file_ || !file_->entries().contains(name)) return false;
  const Tensor kept = file_->tensor(name);
  if (kept.dtype != target.values.dtype || kept.shape != target.values.shape) return false;
  parallel_for(pool, static_cast<int64_t>(kept.bytes()), int64_t{1} << 20, [&](Range range) {
    std::memcpy(target.values.data + range.begin, kept.data + range.begin, static_cast<size_t>(range.size()));
  });
  file_->release(kept);
  return true;
}

void QuantizedCache::keep(const std::map<std::string, Matrix>& matrices) const {
  std::vector<NamedTensor> tensors;
  uint64_t bytes = 0;
  for (const auto& [name, matrix] : matrices) {
    tensors.push_back({.name = name, .tensor = matrix.values});
    bytes += matrix.bytes();
  }
  try {
    fs::create_directories(path_.parent_path());
    write_safetensors(path_, tensors, {{"format", kLayout}});
    inform("kept {:.1f} GB of quantised weights in {}", static_cast<double>(bytes) / 1e9, path_.string());
  } catch (const std::exception& error) {
    warn("the quantised weights could not be kept: {}", error.what());
  }
}

}  // namespace poro
