// Writing: the copy, the thread, the rename.
#include <algorithm>
#include <cstring>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "train/checkpoint.h"

namespace poro {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

fs::path partial_of(const fs::path& folder, int64_t step) {
  return folder / fmt::format("step-{}.partial", step);
}
fs::path name_of(const fs::path& folder, int64_t step) {
  return folder / fmt::format("step-{}", step);
}

// Writes and hashes at once.
class HashedFile {
 public:
  explicit HashedFile(const fs::path& path) : file_(path) {}

  void write(const Tensor& tensor) {
    file_.write(tensor.data, tensor.bytes());
    digest_.update({reinterpret_cast<const char*>(tensor.data), tensor.bytes()});
    bytes_ += tensor.bytes();
  }
  uint64_t bytes() const { return bytes_; }
  std::string commit() {
    file_.commit();
    return digest_.hex();
  }

 private:
  AtomicFile file_;
  Digest digest_{Digest::Kind::kSha256};
  uint64_t bytes_ = 0;
};

}  // namespace

CheckpointWriter::CheckpointWriter(Shards& shards, Comm& world, CheckpointPolicy policy)
    : shards_(&shards), world_(&world), policy_(std::move(policy)) {
  // Ranks that keep everything all have the same: the first one writes.
  if (shards.counts_everything() && shards.comm().rank() != 0) return;
  const auto like = [&](const Tensor& tensor) { return arena_.tensor(tensor.dtype, tensor.shape); };
  for (const Shards::Owned& piece : shards.owned())
    copies_.push_back({.weight = piece.weight,
                       .first = piece.first,
                       .master = like(piece.master),
                       .moment1 = like(piece.moment1),
                       .moment2 = like(piece.moment2)});
}

CheckpointWriter::~CheckpointWriter() {
  if (thread_.joinable()) thread_.join();
}

void CheckpointWriter::save(int64_t step, const Json& state) {
  finish();
  const auto copy = [&](const Tensor& from, const Tensor& to) { shards_->device().copy(from, to); };
  for (size_t i = 0; i < copies_.size(); ++i) {
    copy(shards_->owned()[i].master, copies_[i].master);
    copy(shards_->owned()[i].moment1, copies_[i].moment1);
    copy(shards_->owned()[i].moment2, copies_[i].moment2);
  }
  step_ = step;
  state_ = state;
  error_.clear();
  is_written_ = false;
  const fs::path folder = partial_of(policy_.folder, step);
  std::error_code error;
  if (world_->rank() == 0) {
    fs::remove_all(folder, error);
    fs::create_directories(folder, error);
    if (error) error_ = fmt::format("cannot make the folder {}: {}", folder.string(), error.message());
  }
  world_->barrier();
  thread_ = std::thread([this, folder] {
    try {
      if (error_.empty()) write(folder);
    } catch (const Error& failed) {
      error_ = failed.what();
    }
    is_written_ = true;
  });
}

void CheckpointWriter::write(const fs::path& folder) {
  if (copies_.empty()) return;
  const std::string stem = fmt::format("rank-{:05}", world_->rank());
  HashedFile file(folder / (stem + ".state"));
  Json pieces = Json::array();
  const TensorRanks& ranks = shards_->tensor_ranks();
  for (const Copy& copy : copies_) {
    const WeightSpec& spec = shards_->table()[static_cast<size_t>(copy.weight)];
    pieces.push_back({{"weight", spec.name},
                      {"shape", whole_shape(spec, ranks.size()).str()},
                      {"part", spec.split_dim ? ranks.rank() : 0},
                      {"parts", spec.split_dim ? ranks.size() : 1},
                      {"first", copy.first},
                      {"count", copy.master.elements()},
                      {"offset", file.bytes()},
                      {"dtype", dtype_name(copy.master.dtype)},
                      {"moments_dtype", dtype_name(copy.moment1.dtype)}});
    for (const Tensor* tensor : {&copy.master, &copy.moment1, &copy.moment2}) file.write(*tensor);
  }
  const uint64_t bytes = file.bytes();
  const std::string hash = file.commit();
  write_file_atomic(folder / (stem + ".json"),
                    Json{{"bytes", bytes}, {"sha256", hash}, {"pieces", pieces}}.dump() + "\n");
}

std::optional<int64_t> CheckpointWriter::poll() {
  if (step_ < 0 || world_->is_any(!is_written_)) return std::nullopt;
  return settle();
}

bool CheckpointWriter::finish() {
  if (step_ >= 0) settle();
  return failure_.empty();
}

std::optional<int64_t> CheckpointWriter::settle() {
  thread_.join();
  const int64_t step = std::exchange(step_, -1);
  const fs::path folder = partial_of(policy_.folder, step);
  bool has_failed = world_->is_any(!error_.empty());
  if (!has_failed && world_->rank() == 0) {
    try {
      Json files = Json::object();
      for (const auto& entry : fs::directory_iterator(folder))
        if (entry.path().extension() == ".json")
          files[entry.path().filename().string()] = sha256_of_file(entry.path());
      Json manifest = {{"step", step}, {"files", files}, {"state", state_}};
      const std::string hash = [&] {
        Digest digest(Digest::Kind::kSha256);
        digest.update(manifest.dump());
        return digest.hex();
      }();
      write_file_atomic(folder / "checkpoint.json",
                        Json{{"sha256", hash}, {"manifest", manifest}}.dump() + "\n");
      const fs::path target = name_of(policy_.folder, step);
      fs::remove_all(target);
      fs::rename(folder, target);
    } catch (const std::exception& error) {
      error_ = error.what();
    }
  }
  has_failed = world_->is_any(!error_.empty());
  failure_ = has_failed ? (error_.empty() ? "another rank could not write its part" : error_) : "";
  if (!has_failed) {
    if (world_->rank() == 0) prune();
    return step;
  }
  if (!error_.empty())
    warn("the checkpoint of step {} could not be written: {}; training goes on and tries again", step,
         error_);
  if (world_->rank() == 0) {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
  return std::nullopt;
}

void CheckpointWriter::prune() {
  std::vector<int64_t> steps = checkpoint_steps(policy_.folder);
  std::erase_if(steps,
                [&](int64_t step) { return policy_.keep_every > 0 && step % policy_.keep_every == 0; });
  std::error_code ignored;
  for (size_t i = 0; i + static_cast<size_t>(policy_.keep_last) < steps.size(); ++i)
    fs::remove_all(name_of(policy_.folder, steps[i]), ignored);
}

}  // namespace poro
