// A Hugging Face model folder: config.json, one safetensors file or shards with an index, tokenizer files.
// Opened by mapping, so that a warm model starts at once; every tensor is held against the weight table
// before anything runs.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/compressed_tensors.h"
#include "model/config.h"
#include "model/safetensors.h"
#include "model/weights.h"

namespace poro {

class Checkpoint {
 public:
  // Throws Error: no weights, pickled weights only, a missing, unexpected, repeated or misshapen tensor, each
  // by name.
  static Checkpoint open(const std::filesystem::path& folder);

  const LlamaConfig& config() const { return config_; }
  const std::filesystem::path& folder() const { return folder_; }
  // Views into the mapped files, by the names of the weight table; of compressed weights, the stored levels.
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  // The weight: a view into a mapped file, or f32 made of a compressed one, which stays until it is released.
  const Tensor& tensor(const std::string& name) const;
  bool is_compressed() const { return !compressed_.empty(); }
  // The tensor has been copied into another form: gives its memory back.
  void release(const Tensor& tensor) const;
  std::vector<std::filesystem::path> files() const;

 private:
  void add_compressed(const std::string& name, const CompressedWeight& weight);

  std::filesystem::path folder_;
  LlamaConfig config_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, CompressedWeight> compressed_;
  struct Whole {
    Arena memory{"weights"};
    Tensor tensor;
  };
  mutable std::map<std::string, Whole> whole_;  // Of compressed weights, those in use
};

struct SaveOptions {
  uint64_t max_shard_bytes = uint64_t{5}
                             << 30;  // Larger models are split, with model.safetensors.index.json.
};

// Writes config.json (its text given) and any tensors so that a reader never sees half of them.
void save_tensors(const std::filesystem::path& folder, const std::string& config_json,
                  std::span<const NamedTensor> tensors, const SaveOptions& options = {});

// Writes config.json and the weights so that a reader never sees half of them; the folder is made if needed.
void save_checkpoint(const std::filesystem::path& folder, const LlamaConfig& config,
                     std::span<const NamedTensor> tensors, const SaveOptions& options = {});

}  // namespace poro
