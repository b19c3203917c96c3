#include "model/generation_memory.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace poro {
namespace {

constexpr double kGibi = 1024.0 * 1024.0 * 1024.0;

TEST(GenerationMemory, CountsTheCacheInItsOwnType) {
  const LlamaConfig config = LlamaConfig::named_shape("poro2-8b");
  const auto cache = [&](DType dtype) {
    return plan_gpu_memory({.config = config, .cache = dtype, .context = 8192, .free = 80 * kGibi}).cache;
  };
  // 32 layers, keys and values, 8 heads of 128.
  EXPECT_EQ(cache(DType::kBF16), 8192.0 * 32 * 2 * 8 * 128 * 2);
  EXPECT_EQ(cache(DType::kF8), cache(DType::kBF16) / 2);
}

TEST(GenerationMemory, DividesByTheRanks) {
  const LlamaConfig config = LlamaConfig::named_shape("poro2-70b");
  EXPECT_THROW(plan_gpu_memory({.config = config, .context = 4096, .free = 79 * kGibi}), Error);
  const GenerationMemory one = plan_gpu_memory({.config = config, .context = 4096, .free = 140 * kGibi}),
                         two = plan_gpu_memory(
                             {.config = config, .ranks = 2, .context = 4096, .free = 79 * kGibi});
  EXPECT_NEAR(two.weights, one.weights / 2, 0.002 * kGibi);  // Norms are whole on each.
  EXPECT_EQ(two.cache, one.cache / 2);
  EXPECT_LT(two.total(), 68 * kGibi);
}

TEST(GenerationMemory, SaysWhatWouldFit) {
  const LlamaConfig config = LlamaConfig::named_shape("poro2-70b");
  try {
    plan_gpu_memory({.config = config, .free = 79 * kGibi});
    ADD_FAILURE() << "it fits";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("--dtype fp8 would fit"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace poro
