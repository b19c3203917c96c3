#include "model/checkpoint.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr const char* kConfigFile = "config.json";
constexpr uint64_t kMaxIndexBytes = 64 << 20;

// Reads the index: for each tensor, the shard that holds it. Shards are plain names of files in the folder.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const std::string where = path.string();
  const nlohmann::json json = parse_json(read_file(path, kMaxIndexBytes), where);
  const nlohmann::json* weight_map = JsonFields(json, where).find("weight_map");
  if (weight_map == nullptr || !weight_map->is_object())
    fail("{}: \"weight_map\" should be an object of tensors and files", where);
  std::map<std::string, std::string> shard_of;
  for (const auto& [name, file] : weight_map->items()) {
    if (!file.is_string()) fail("{}: the file of the tensor \"{}\" should be a string", where, quote(name));
    const std::string shard = file.get<std::string>();
    if (shard.find('/') != shard.npos || shard.find('\0') != shard.npos || !shard.ends_with(".safetensors"))
      fail("{}: the tensor \"{}\" is said to be in \"{}\", which is no safetensors file of this folder",
           where, quote(name), quote(shard));
    shard_of.emplace(name, shard);
  }
  return shard_of;
}

[[noreturn]] void fail_without_weights(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string extension = entry.path().extension();
    if (extension == ".bin" || extension == ".pt" || extension == ".pth")
      fail(
          "{} holds its weights as a Python pickle ({}), which can run any code and is never read; get the "
          "safetensors files, or "
          "load the model once with transformers and write it again with save_pretrained(folder, "
          "safe_serialization=True)",
          folder.string(), entry.path().filename().string());
  }
  fail("{} holds no weights: neither {} nor {}", folder.string(), kSingleFile, kIndexFile);
}

std::vector<std::unique_ptr<SafetensorsFile>> open_files(const fs::path& folder) {
  std::vector<std::unique_ptr<SafetensorsFile>> files;
  if (fs::exists(folder / kSingleFile)) {
    files.push_back(std::make_unique<SafetensorsFile>(folder / kSingleFile));
    return files;
  }
  const fs::path index = folder / kIndexFile;
  if (!fs::exists(index)) fail_without_weights(folder);
  const std::map<std::string, std::string> shard_of = read_index(index);
  std::set<std::string> shards;
  for (const auto& [name, shard] : shard_of) shards.insert(shard);
  for (const std::string& shard : shards)
    if (!fs::exists(folder / shard))
      fail("{} names the file {}, which is not there; the folder is incomplete, so fetch the model again",
           index.string(), shard);
  for (const std::string& shard : shards) {
    files.push_back(std::make_unique<SafetensorsFile>(folder / shard));
    for (const auto& [name, entry] : files.back()->entries()) {
      const auto found = shard_of.find(name);
      if (found == shard_of.end())
        fail("the tensor \"{}\" is in {}, but {} does not list it", quote(name), (folder / shard).string(),
             kIndexFile);
      if (found->second != shard)
        fail("the tensor \"{}\" is in {}, but {} says it is in {}", quote(name), (folder / shard).string(),
             kIndexFile, found->second);
    }
  }
  for (const auto& [name, shard] : shard_of)
    if (std::ranges::none_of(files, [&, &name = name, &shard = shard](const auto& file) {
          return file->path() == folder / shard && file->entries().contains(name);
        }))
      fail("{} says that the tensor \"{}\" is in {}, but it is not", index.string(), quote(name), shard);
  return files;
}

// Buffers that older versions of transformers saved, and a head that repeats the embedding: transformers
// skips both.
bool is_ignored(const std::string& name, const LlamaConfig& config) {
  return name.ends_with("rotary_emb.inv_freq") || (config.has_tied_head && name == "lm_head.weight");
}

bool is_floating(DType dtype) {
  return dtype == DType::kF64 || dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

struct Shard {
  std::string file;
  std::vector<NamedTensor> tensors;
};

std::vector<Shard> split(std::span<const NamedTensor> tensors, uint64_t max_bytes) {
  std::vector<Shard> shards(1);
  uint64_t filled = 0;
  for (const NamedTensor& named : tensors) {
    if (filled > 0 && filled + named.tensor.bytes() > max_bytes) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().tensors.push_back(named);
    filled += named.tensor.bytes();
  }
  for (size_t i = 0; i < shards.size(); ++i)
    shards[i].file = shards.size() == 1
                         ? kSingleFile
                         : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
  return shards;
}

std::string index_of(const std::vector<Shard>& shards) {
  uint64_t total = 0;
  std::map<std::string, std::string> weight_map;
  for (const Shard& shard : shards)
    for (const NamedTensor& named : shard.tensors) {
      weight_map[named.name] = shard.file;
      total += named.tensor.bytes();
    }
  const nlohmann::ordered_json json = {{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}};
  return json.dump(2) + "\n";
}

void remove_file(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  if (error) fail("cannot replace {}: {}", path.string(), error.message());
}

// Weight files of an earlier save into the same folder that no file of this one replaces.
void remove_stale_weights(const fs::path& folder, const std::vector<Shard>& shards) {
  std::vector<fs::path> stale;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    const bool is_weight_file = name == kSingleFile || name == kIndexFile ||
                                (name.starts_with("model-") && name.ends_with(".safetensors"));
    const bool is_new = std::ranges::any_of(shards, [&](const Shard& shard) { return shard.file == name; }) ||
                        (shards.size() > 1 && name == kIndexFile);
    if (is_weight_file && !is_new && !entry.is_directory()) stale.push_back(entry.path());
  }
  for (const fs::path& path : stale) remove_file(path);
}

}  // namespace

Checkpoint Checkpoint::open(const fs::path& folder) {
  if (!fs::is_directory(folder))
    fail("{} is no folder; a model is a folder with config.json and safetensors files", folder.string());
  Checkpoint checkpoint;
  checkpoint.folder_ = folder;
  checkpoint.config_ = LlamaConfig::load(folder);
  checkpoint.files_ = open_files(folder);

  std::map<std::string, Shape> expected;
  for (const WeightSpec& weight : weight_table(checkpoint.config_))
    expected.emplace(weight.name, weight.shape);
  for (const auto& file : checkpoint.files_)
    for (const auto& [name, shape] : expected)
      if (const auto weight = find_compressed(*file, name, shape)) checkpoint.add_compressed(name, *weight);
  for (const auto& file : checkpoint.files_)
    for (const auto& [name, entry] : file->entries()) {
      const auto spec = expected.find(name);
      if (checkpoint.compressed_.contains(name) || is_compressed_part(name)) continue;
      if (spec == expected.end()) {
        if (is_ignored(name, checkpoint.config_)) continue;
        fail("{}: the tensor \"{}\" is not one of a Llama model with this config.json", file->path().string(),
             quote(name));
      }
      const Tensor tensor = file->tensor(name);
      if (tensor.shape != spec->second)
        fail("{}: the tensor \"{}\" has the shape {}, but config.json makes it {}", file->path().string(),
             name, tensor.shape.str(), spec->second.str());
      if (!is_floating(tensor.dtype))
        fail("{}: the tensor \"{}\" is stored as {}; weights should be f64, f32, f16 or bf16",
             file->path().string(), name, dtype_name(tensor.dtype));
      checkpoint.tensors_.emplace(name, tensor);
    }
  for (const auto& [name, shape] : expected)
    if (!checkpoint.tensors_.contains(name))
      fail("{}: the tensor \"{}\" {} is missing from the weights", folder.string(), name, shape.str());
  return checkpoint;
}

const Tensor& Checkpoint::tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  CHECK(found != tensors_.end(), "{}", name);
  const auto compressed = compressed_.find(name);
  if (compressed == compressed_.end()) return found->second;
  const auto [whole, is_new] = whole_.try_emplace(name);
  if (is_new) {
    whole->second.tensor = whole->second.memory.tensor(DType::kF32, compressed->second.shape);
    ThreadPool pool;
    decompress(pool, compressed->second, whole->second.tensor);
  }
  return whole->second.tensor;
}

void Checkpoint::add_compressed(const std::string& name, const CompressedWeight& weight) {
  // The levels as they are stored; a view never writes.
  tensors_[name] = {.data = const_cast<std::byte*>(weight.values.data()),
                    .dtype = weight.bits == 4 ? DType::kI4 : DType::kI8,
                    .shape = weight.shape};
  compressed_[name] = weight;
}

void Checkpoint::release(const Tensor& tensor) const {
  if (std::erase_if(whole_, [&](const auto& whole) {  // All of it, or a part.
        const Tensor& all = whole.second.tensor;
        return tensor.data >= all.data && tensor.data < all.data + all.bytes();
      }) > 0)
    return;
  for (const auto& file : files_) file->release(tensor);
}

std::vector<fs::path> Checkpoint::files() const {
  std::vector<fs::path> paths;
  for (const auto& file : files_) paths.push_back(file->path());
  return paths;
}

void save_checkpoint(const fs::path& folder, const LlamaConfig& config, std::span<const NamedTensor> tensors,
                     const SaveOptions& options) {
  const std::vector<WeightSpec> table = weight_table(config);
  CHECK(tensors.size() == table.size(), "{} tensors for a table of {}", tensors.size(), table.size());
  for (const WeightSpec& weight : table)
    CHECK(std::ranges::any_of(tensors,
                              [&](const NamedTensor& named) {
                                return named.name == weight.name && named.tensor.shape == weight.shape;
                              }),
          "{} {} is not among the tensors", weight.name, weight.shape.str());

  save_tensors(folder, config.to_json().dump(2) + "\n", tensors, options);
}

// config.json is what makes a folder a model, so it goes first and comes last: while the new files take their
// names, the folder does not open. All that can fail for want of space has happened by then.
void save_tensors(const fs::path& folder, const std::string& config_json,
                  std::span<const NamedTensor> tensors, const SaveOptions& options) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail("cannot make the folder {}: {}", folder.string(), error.message());
  const std::vector<Shard> shards = split(tensors, options.max_shard_bytes);
  std::vector<std::unique_ptr<AtomicFile>> files;
  const auto add_file = [&](const char* name) -> AtomicFile& {
    return *files.emplace_back(std::make_unique<AtomicFile>(folder / name));
  };
  for (const Shard& shard : shards)
    write_safetensors(add_file(shard.file.c_str()), shard.tensors, {{"format", "pt"}});
  if (shards.size() > 1) {
    const std::string index = index_of(shards);
    add_file(kIndexFile).write(index.data(), index.size());
  }
  add_file(kConfigFile).write(config_json.data(), config_json.size());
  for (const auto& file : files) file->sync();

  remove_file(folder / kConfigFile);
  remove_stale_weights(folder, shards);
  for (const auto& file : files) file->commit();
}

}  // namespace poro
