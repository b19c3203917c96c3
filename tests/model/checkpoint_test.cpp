// Folders that open, folders that do not and why, and writing that reads back bit for bit.
#include "model/checkpoint.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "tests/scratch_folder.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

LlamaConfig small_config() {
  LlamaConfig config = LlamaConfig::named_shape("tiny");
  config.vocab_size = 24;
  config.hidden_size = 16;
  config.intermediate_size = 24;
  config.head_dim = 6;  // Not C / H.
  return config;
}

// A checkpoint's tensors with every byte set; the memory lives as long as this.
struct Weights {
  std::vector<std::vector<std::byte>> memory;
  std::vector<NamedTensor> tensors;

  explicit Weights(const LlamaConfig& config, uint32_t seed = 1) {
    const DType dtypes[] = {DType::kBF16, DType::kF32, DType::kF16, DType::kF64};
    for (const WeightSpec& weight : weight_table(config)) {
      add(weight.name, weight.shape, dtypes[tensors.size() % 4], seed);
    }
  }

  void add(const std::string& name, const Shape& shape, DType dtype, uint32_t seed) {
    Tensor tensor{.dtype = dtype, .shape = shape};
    std::vector<std::byte>& bytes = memory.emplace_back(tensor.bytes());
    for (std::byte& byte : bytes) byte = static_cast<std::byte>((seed = seed * 1664525u + 1013904223u) >> 24);
    tensor.data = bytes.data();
    tensors.push_back({name, tensor});
  }

  NamedTensor& find(const std::string& name) {
    for (NamedTensor& named : tensors)
      if (named.name == name) return named;
    throw std::logic_error("no tensor " + name);
  }
};

void expect_equal(const Checkpoint& checkpoint, const Weights& weights) {
  ASSERT_EQ(checkpoint.tensors().size(), weights.tensors.size());
  for (const auto& [name, tensor] : weights.tensors) {
    const Tensor& read = checkpoint.tensor(name);
    EXPECT_EQ(read.dtype, tensor.dtype) << name;
    ASSERT_EQ(read.shape, tensor.shape) << name;
    EXPECT_EQ(std::memcmp(read.data, tensor.data, tensor.bytes()), 0) << name;
  }
}

std::vector<std::string> files_of(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

// The sentence that opening `folder` ends with; empty if it opens.
std::string complaint(const fs::path& folder) {
  try {
    Checkpoint::open(folder);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

#define EXPECT_SAYS(sentence, part) EXPECT_NE((sentence).find(part), std::string::npos) << (sentence)

class CheckpointTest : public testing::Test {
 protected:
  fs::path scratch(const std::string& name) {
    fs::create_directories(root_ / name);
    return root_ / name;
  }

  // A folder with config.json and these tensors in one file, whatever they are.
  fs::path folder_of(const std::string& name, const LlamaConfig& config,
                     std::span<const NamedTensor> tensors) {
    const fs::path folder = scratch(name);
    write_file_atomic(folder / "config.json", config.to_json().dump());
    write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
    return folder;
  }

  ScratchFolder root_;
};

TEST_F(CheckpointTest, WritesOneFileAndReadsItBack) {
  const fs::path folder = scratch("one");
  const LlamaConfig config = small_config();
  const Weights weights(config);
  save_checkpoint(folder, config, weights.tensors);
  EXPECT_EQ(files_of(folder), (std::vector<std::string>{"config.json", "model.safetensors"}));
  const Checkpoint checkpoint = Checkpoint::open(folder);
  EXPECT_EQ(checkpoint.config().to_json(), config.to_json());
  expect_equal(checkpoint, weights);
}

TEST_F(CheckpointTest, WritesShardsAndReplacesOtherCounts) {
  const fs::path folder = scratch("shards");
  const LlamaConfig config = small_config();
  const auto save = [&](uint64_t max_shard_bytes, uint32_t seed) {
    const Weights weights(config, seed);
    save_checkpoint(folder, config, weights.tensors, {.max_shard_bytes = max_shard_bytes});
    expect_equal(Checkpoint::open(folder), weights);
    return files_of(folder).size();
  };
  write_file_atomic(folder / "tokenizer.json", "{}");  // Not ours: stays.
  const size_t few = save(8192, 1);
  EXPECT_GT(few, 4u);
  EXPECT_GT(save(1, 2), few);  // A file per tensor: larger than the limit, but never split.
  EXPECT_EQ(save(1 << 30, 3), 3u);
  EXPECT_EQ(save(8192, 4), few);
  const auto index = nlohmann::json::parse(read_file(folder / "model.safetensors.index.json"));
  uint64_t total = 0;
  for (const NamedTensor& named : Weights(config).tensors) total += named.tensor.bytes();
  EXPECT_EQ(index["metadata"]["total_size"], total);
}

TEST_F(CheckpointTest, StopsInTheMiddleOfASaveLeaveNoFolderThatOpens) {
  const fs::path folder = scratch("killed");
  const LlamaConfig config = small_config();
  const Weights before(config, 1), after(config, 2);
  save_checkpoint(folder, config, before.tensors);
  // A folder in the place of one new file stops the save while the files take their names.
  fs::create_directories(folder / "model-00002-of-00003.safetensors" / "in the way");
  const auto save = [&] { save_checkpoint(folder, config, after.tensors, {.max_shard_bytes = 8192}); };
  EXPECT_THROW(save(), Error);
  EXPECT_SAYS(complaint(folder), "config.json");
  fs::remove_all(folder / "model-00002-of-00003.safetensors");
  save();
  expect_equal(Checkpoint::open(folder), after);
}

TEST_F(CheckpointTest, KeepsTheOldModelWhenTheNewOneDoesNotFit) {
  if (::getuid() == 0 && ::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  const fs::path folder = scratch("full");
  const LlamaConfig config = small_config();
  const Weights before(config, 1), after(config, 2);
  save_checkpoint(folder, config, before.tensors);
  // The last file to be written goes to a device without space.
  fs::create_symlink("/dev/full", folder / fmt::format("config.json.{}.partial", ::getpid()));
  EXPECT_THROW(save_checkpoint(folder, config, after.tensors, {.max_shard_bytes = 8192}), Error);
  expect_equal(Checkpoint::open(folder), before);
  EXPECT_EQ(files_of(folder), (std::vector<std::string>{"config.json", "model.safetensors"}));
}

TEST_F(CheckpointTest, TiedHeadsMayRepeatTheEmbeddingAndOthersMayNot) {
  LlamaConfig config = small_config();
  Weights untied(config);
  config.has_tied_head = true;
  untied.add("model.layers.0.self_attn.rotary_emb.inv_freq", {3}, DType::kF32, 9);
  EXPECT_EQ(Checkpoint::open(folder_of("tied", config, untied.tensors)).tensors().size(),
            weight_table(config).size());
  config.has_tied_head = false;
  const Weights tied([&] {
    LlamaConfig copy = config;
    copy.has_tied_head = true;
    return copy;
  }());
  EXPECT_SAYS(complaint(folder_of("headless", config, tied.tensors)),
              "\"lm_head.weight\" (24, 16) is missing");
}

TEST_F(CheckpointTest, NamesTheTensorThatIsWrong) {
  const LlamaConfig config = small_config();
  {
    Weights weights(config);
    weights.add("model.layers.2.mlp.up_proj.weight", {24, 16}, DType::kF32, 1);
    EXPECT_SAYS(complaint(folder_of("more", config, weights.tensors)),
                "\"model.layers.2.mlp.up_proj.weight\" is not one of");
  }
  {
    Weights weights(config);
    weights.find("model.layers.1.mlp.down_proj.weight").tensor.shape = {24, 16};
    EXPECT_SAYS(
        complaint(folder_of("shape", config, weights.tensors)),
        "\"model.layers.1.mlp.down_proj.weight\" has the shape (24, 16), but config.json makes it (16, 24)");
  }
  {
    Weights weights(config);
    weights.add("model.norm.weight2", {16}, DType::kI8, 1);
    weights.find("model.norm.weight").name = "model.norm.weight3";
    weights.find("model.norm.weight2").name = "model.norm.weight";
    weights.find("model.norm.weight3").name = "lm_head.inv_freq.rotary_emb.inv_freq";
    EXPECT_SAYS(complaint(folder_of("type", config, weights.tensors)),
                "\"model.norm.weight\" is stored as int8");
  }
}

TEST_F(CheckpointTest, HoldsShardsAgainstTheIndex) {
  const fs::path folder = scratch("index");
  const LlamaConfig config = small_config();
  const Weights weights(config);
  save_checkpoint(folder, config, weights.tensors, {.max_shard_bytes = 8192});
  const fs::path index = folder / "model.safetensors.index.json";
  const auto good = nlohmann::json::parse(read_file(index));
  const auto with = [&](const std::string& name, const nlohmann::json& file) {
    nlohmann::json changed = good;
    changed["weight_map"][name] = file;
    write_file_atomic(index, changed.dump());
    return complaint(folder);
  };
  const std::string first = good["weight_map"]["model.embed_tokens.weight"],
                    last = good["weight_map"]["lm_head.weight"];
  ASSERT_NE(first, last);
  EXPECT_SAYS(with("lm_head.weight", first), "\"lm_head.weight\" is in");
  EXPECT_SAYS(with("lm_head.weight", "../" + last), "no safetensors file of this folder");
  EXPECT_SAYS(with("lm_head.weight", "/etc/passwd"), "no safetensors file of this folder");
  EXPECT_SAYS(with("lm_head.weight", 7), "\"lm_head.weight\" should be a string");
  EXPECT_SAYS(with("lm_head.weight", "model-9.safetensors"), "model-9.safetensors, which is not there");
  EXPECT_SAYS(with("extra.weight", first), "\"extra.weight\" is in");
  nlohmann::json without = good;
  without["weight_map"].erase("model.norm.weight");
  write_file_atomic(index, without.dump());
  EXPECT_SAYS(complaint(folder), "\"model.norm.weight\" is in");
  for (const char* text : {"", "[]", "{}", R"({"weight_map": []})", R"({"weight_map": {}})"}) {
    write_file_atomic(index, text);
    EXPECT_NE(complaint(folder), "") << text;
  }
}

TEST_F(CheckpointTest, RefusesPicklesAndEmptyFolders) {
  const fs::path folder = scratch("pickle");
  EXPECT_SAYS(complaint(folder / "missing"), "is no folder");
  EXPECT_SAYS(complaint(folder), "config.json");
  write_file_atomic(folder / "config.json", small_config().to_json().dump());
  EXPECT_SAYS(complaint(folder), "holds no weights");
  write_file_atomic(folder / "pytorch_model.bin", "PK");
  EXPECT_SAYS(complaint(folder), "pytorch_model.bin");
  EXPECT_SAYS(complaint(folder), "safe_serialization=True");
}

TEST_F(CheckpointTest, OpensTheGoldenModels) {
  const char* goldens = std::getenv("PORO_GOLDENS");
  if (goldens == nullptr) GTEST_SKIP() << "PORO_GOLDENS names no folder of golden models";
  const auto open = [&](const char* name) { return Checkpoint::open(fs::path(goldens) / "models" / name); };
  const Checkpoint a = open("tiny-a"), b = open("tiny-b"), vocab = open("tiny-vocab");
  EXPECT_EQ(a.config().llama3_rope->original_max_positions, 64);
  EXPECT_EQ(a.tensor("lm_head.weight").str(), "f32(512, 64)");
  EXPECT_EQ(b.config().head_dim, 32);
  EXPECT_EQ(b.config().rope_theta, 10000);
  EXPECT_FALSE(b.config().llama3_rope);
  EXPECT_TRUE(b.config().has_tied_head);
  EXPECT_EQ(vocab.config().eos_ids, (std::vector<int32_t>{128001, 128008, 128009}));
  EXPECT_EQ(vocab.tensor("model.embed_tokens.weight").str(), "bf16(128256, 32)");
  // Written in shards and opened again: the same bits.
  const fs::path copy = scratch("golden-copy");
  std::vector<NamedTensor> tensors;
  for (const auto& [name, tensor] : a.tensors()) tensors.push_back({name, tensor});
  save_checkpoint(copy, a.config(), tensors, {.max_shard_bytes = 100'000});
  const Checkpoint again = Checkpoint::open(copy);
  for (const auto& [name, tensor] : a.tensors())
    EXPECT_EQ(std::memcmp(tensor.data, again.tensor(name).data, tensor.bytes()), 0) << name;
}

TEST_F(CheckpointTest, OpensStories260K) {
  const char* data = std::getenv("PORO_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "PORO_TEST_DATA names no folder of test data";
  const Checkpoint stories = Checkpoint::open(fs::path(data) / "weights" / "stories260K");
  EXPECT_EQ(stories.config().num_parameters(), 260'032);
  EXPECT_EQ(stories.config().num_kv_heads, 4);
}

}  // namespace
}  // namespace poro
