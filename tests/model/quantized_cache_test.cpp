// Kept weights: the next start reads them and computes the same bits; what does not fit is made anew.
#include "model/quantized_cache.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>

#include "base/file.h"
#include "tests/model/golden_model.h"
#include "tests/scratch_folder.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

class QuantizedCacheTest : public testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    const Llama model = golden_model(*device_);
    save_checkpoint(folder_, model.config(), named_tensors(model));
  }

  Llama load() { return Llama::load(*device_, folder_, {.weights = GetParam(), .cache_folder = cache_}); }

  std::vector<fs::path> kept() const {
    std::vector<fs::path> files;
    if (fs::exists(cache_))
      for (const auto& entry : fs::directory_iterator(cache_)) files.push_back(entry.path());
    return files;
  }

  static void expect_equal(const Llama& a, const Llama& b) {
    const std::vector<NamedTensor> left = named_tensors(a), right = named_tensors(b);
    for (size_t i = 0; i < left.size(); ++i) {
      ASSERT_EQ(left[i].tensor.bytes(), right[i].tensor.bytes()) << left[i].name;
      EXPECT_EQ(std::memcmp(left[i].tensor.data, right[i].tensor.data, left[i].tensor.bytes()), 0)
          << left[i].name;
    }
  }

  ScratchFolder scratch_;
  const fs::path folder_ = scratch_ / "model", cache_ = scratch_ / "cache";
  std::unique_ptr<Device> device_ = Device::cpu(2);
};

TEST_P(QuantizedCacheTest, TheNextStartHasTheSameWeights) {
  const Llama first = load();
  ASSERT_EQ(kept().size(), 1u);
  const auto written = fs::last_write_time(kept()[0]);
  const Llama second = load();
  expect_equal(first, second);
  EXPECT_EQ(fs::last_write_time(kept()[0]), written);
}

TEST_P(QuantizedCacheTest, ReadsWhatTheFileHolds) {
  load();
  // Other bytes in the kept file show up in the model: it was not quantised again.
  std::string bytes = read_file(kept()[0]);
  bytes.back() ^= 1;
  write_file_atomic(kept()[0], bytes);
  const Llama changed = load();
  fs::remove_all(cache_);
  const Llama fresh = load();
  size_t different = 0;
  const std::vector<NamedTensor> left = named_tensors(changed), right = named_tensors(fresh);
  for (size_t i = 0; i < left.size(); ++i)
    different += std::memcmp(left[i].tensor.data, right[i].tensor.data, left[i].tensor.bytes()) != 0;
  EXPECT_EQ(different, 1u);
}

TEST_P(QuantizedCacheTest, AChangedCheckpointIsQuantisedAgain) {
  load();
  const fs::path weights = folder_ / "model.safetensors";
  fs::last_write_time(weights, fs::last_write_time(weights) + std::chrono::seconds(1));
  load();
  EXPECT_EQ(kept().size(), 2u);
}

TEST_P(QuantizedCacheTest, ASpoiledFileIsMadeAnew) {
  const Llama first = load();
  const std::string whole = read_file(kept()[0]);
  write_file_atomic(kept()[0], whole.substr(0, whole.size() / 2));
  expect_equal(first, load());
  EXPECT_EQ(read_file(kept()[0]), whole);
}

TEST_P(QuantizedCacheTest, AFolderThatCannotBeWrittenCostsOnlyTheCache) {
  write_file_atomic(cache_, "a file where the folder should be");
  expect_equal(load(), Llama::load(*device_, folder_, {.weights = GetParam()}));
}

INSTANTIATE_TEST_SUITE_P(Types, QuantizedCacheTest, testing::Values(DType::kI8, DType::kI4),
                         [](const auto& test) { return std::string(dtype_name(test.param)); });

}  // namespace
}  // namespace poro
