#include "model/generation_memory.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace poro {
namespace {

constexpr double kGibi = 1024.0 * 1024.0 * 1024.0;

TEST(GenerationMemory, CountsTheCacheInItsOwnType) {
  const LlamaConfig config = LlamaConfig::named_shape("poro2-8b");
  const auto cache = [&](DType dtype) {
    return plan_gpu_memory({.config = config, .cache = dtype, .context = 8192, .free = 80 * kGibi}).gpu.cache;
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
  EXPECT_NEAR(two.gpu.weights, one.gpu.weights / 2, 0.002 * kGibi);  // Norms are whole on each.
  EXPECT_EQ(two.gpu.cache, one.gpu.cache / 2);
  EXPECT_LT(two.gpu.total(), 68 * kGibi);
  // Ranks do not leave blocks to the processor.
  EXPECT_THROW(
      plan_gpu_memory(
          {.config = config, .ranks = 2, .context = 4096, .free = 60 * kGibi, .free_on_host = 500 * kGibi}),
      Error);
}

std::string complaint(const GenerationNeeds& needs) {
  try {
    const GenerationMemory plan = plan_gpu_memory(needs);
    return fmt::format("it fits, with {} blocks on the GPU", plan.gpu_layers);
  } catch (const Error& error) {
    return error.what();
  }
}

void expect_says(const GenerationNeeds& needs, const std::vector<std::string>& parts) {
  const std::string said = complaint(needs);
  for (const std::string& part : parts) EXPECT_NE(said.find(part), std::string::npos) << said;
}

TEST(GenerationMemory, SaysWhatWouldFit) {
  const LlamaConfig large = LlamaConfig::named_shape("poro2-70b"),
                    small = LlamaConfig::named_shape("poro2-8b");
  expect_says({.config = large, .free = 79 * kGibi},
              {"the model needs 13", "of the GPU", "79.0 GiB are free", "--dtype fp8 would fit"});
  expect_says({.config = small, .context = 8192, .free = 15.9 * kGibi}, {"--context 1920 would fit"});
  // Too much for both together, by what the processor lacks.
  expect_says({.config = large, .free = 79 * kGibi, .free_on_host = 40 * kGibi},
              {"with 4", "of 80 blocks on the GPU", "of the processor's memory", "40.0 GiB are free",
               "--dtype fp8 would fit"});
  expect_says({.config = large, .free = 24 * kGibi, .free_on_host = 40 * kGibi},
              {"--dtype int4 would fit, with 4"});
  expect_says({.config = large, .weights = DType::kI4, .free = 1 * kGibi, .free_on_host = 60 * kGibi},
              {"with 1 of 80 blocks on the GPU", "of the GPU", "use --device cpu, a GPU with more memory"});
  expect_says({.config = large, .gpu_layers = 70, .free = 79 * kGibi, .free_on_host = 100 * kGibi},
              {"with 70 of 80 blocks on the GPU", "--gpu-layers 4", "would fit"});
  expect_says({.config = large, .gpu_layers = 80, .free = 79 * kGibi, .free_on_host = 100 * kGibi},
              {"the model needs 13", "--gpu-layers 4"});
}

TEST(GenerationMemory, LeavesBlocksToTheProcessor) {
  const LlamaConfig config = LlamaConfig::named_shape("poro2-70b");
  const GenerationNeeds needs{
      .config = config, .context = 4096, .free = 79 * kGibi, .free_on_host = 100 * kGibi};
  const GenerationMemory plan = plan_gpu_memory(needs);
  EXPECT_TRUE(plan.is_split);
  EXPECT_LE(plan.gpu.total(), needs.free);
  // One more block (1.6 GiB) would not fit.
  EXPECT_GT(plan.gpu.total(), needs.free - 1.7 * kGibi);
  const GenerationMemory all = plan_gpu_memory({.config = config, .context = 4096, .free = 140 * kGibi});
  EXPECT_FALSE(all.is_split);
  EXPECT_NEAR(plan.gpu.weights + plan.host.weights, all.gpu.weights, 1.0);
  EXPECT_NEAR(plan.gpu.cache + plan.host.cache, all.gpu.cache, 1.0);
  const std::vector<std::string> lines = describe(plan, needs);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_NE(lines[0].find(fmt::format("{} of 80 blocks and the head", plan.gpu_layers)), std::string::npos);
  EXPECT_NE(lines[1].find("--dtype fp8 would fit whole"), std::string::npos) << lines[1];
  // A processor has no fp8, and takes 8 bits for it.
  const GenerationMemory fewer = plan_gpu_memory({.config = config,
                                                  .weights = DType::kF8,
                                                  .cache = DType::kF8,
                                                  .context = 4096,
                                                  .free = 40 * kGibi,
                                                  .free_on_host = 100 * kGibi});
  EXPECT_GT(fewer.host.weights / static_cast<double>(80 - fewer.gpu_layers), 0.79 * kGibi);
  EXPECT_EQ(fewer.host.cache / static_cast<double>(80 - fewer.gpu_layers), 4096.0 * 2 * 8 * 128 * 2);
}

TEST(GenerationMemory, SplitsRatherThanForgets) {
  const LlamaConfig config = LlamaConfig::named_shape("poro2-8b");
  // All of it would leave room for a few hundred positions.
  const double tight = plan_gpu_memory({.config = config, .context = 512, .free = 80 * kGibi}).gpu.total();
  const GenerationMemory split =
      plan_gpu_memory({.config = config, .free = tight, .free_on_host = 100 * kGibi});
  EXPECT_TRUE(split.is_split);
  EXPECT_EQ(split.context, 4096);
  EXPECT_EQ(plan_gpu_memory({.config = config, .free = tight}).context, 512);
  // Without the embedding, of which a token reads a row, all blocks fit.
  EXPECT_EQ(split.gpu_layers, 32);
  EXPECT_EQ(split.host.cache, 0);
  // As many positions as fit, where that is enough.
  const GenerationMemory whole =
      plan_gpu_memory({.config = config, .free = 17 * kGibi, .free_on_host = 100 * kGibi});
  EXPECT_FALSE(whole.is_split);
  EXPECT_GT(whole.context, 4096);
}

}  // namespace
}  // namespace poro
