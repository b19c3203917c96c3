// A model of which the processor has some blocks and the GPU the others, against goldens and against itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/cuda_devices.h"
#include "base/file.h"
#include "tests/model/cuda/some_log_probs.h"
#include "tests/model/golden_model.h"

namespace poro {
namespace {

std::vector<int32_t> greedy(Llama& model, const std::vector<int32_t>& prompt, size_t count) {
  KvCache cache = model.make_cache(1, static_cast<int64_t>(prompt.size() + count));
  std::vector<int32_t> input = prompt, ids;
  while (ids.size() < count) {
    const SequenceTokens tokens{.sequence = 0, .ids = input};
    const Tensor hidden = model.forward({&tokens, 1}, cache);
    ids.push_back(model.likeliest(hidden.rows(hidden.dim(0) - 1, 1))[0]);
    input = {ids.back()};
  }
  return ids;
}

TEST(GpuStages, GoldensAreTheSameWithAnyNumberOfBlocks) {
  const char* goldens = std::getenv("PORO_GOLDENS");
  if (goldens == nullptr) GTEST_SKIP() << "set PORO_GOLDENS to the folder with forward.json";
  if (cuda_report().devices.empty()) GTEST_SKIP() << "no NVIDIA GPU on this machine";
  const std::filesystem::path folder(goldens);
  const auto gpu = Device::cuda(0, DType::kF32), cpu = Device::cpu(2);
  for (const nlohmann::json& golden : nlohmann::json::parse(read_file(folder / "forward.json"))) {
    const auto model_folder = folder / "models" / golden.at("model").get<std::string>();
    const int64_t layers = LlamaConfig::load(model_folder).num_layers;
    const std::vector<int32_t> prompt = golden.at("greedy_prompt"), want = golden.at("greedy_32");
    for (int64_t on_cpu = 0; on_cpu < layers; ++on_cpu) {
      Llama model = Llama::load(*gpu, model_folder, {.first_device = cpu.get(), .first_layers = on_cpu});
      EXPECT_EQ(greedy(model, prompt, want.size()), want)
          << golden.at("model") << ", " << on_cpu << " blocks on the processor";
    }
  }
}

// bf16 between the GPU's ops, f32 between the processor's; weights in fewer bits are rounded in the ways of
// both.
TEST(GpuStages, WeightsInFewerBitsAgree) {
  if (cuda_report().devices.empty()) GTEST_SKIP() << "no NVIDIA GPU on this machine";
  const auto gpu = Device::cuda(0), cpu = Device::cpu(2);
  LlamaConfig config = LlamaConfig::named_shape("tiny");
  config.vocab_size = 256;
  const auto log_probs = [&](Llama& model) {
    KvCache cache = model.make_cache(1, 128);
    return log_probs_of_some_ids(model, cache);
  };
  const std::pair<DType, double> cases[] = {
      {DType::kBF16, 0.02}, {DType::kI8, 0.03}, {DType::kF8, 0.1}, {DType::kI4, 0.2}};
  for (const auto& [dtype, tolerance] : cases) {
    Llama whole = Llama::random(*gpu, config, dtype, 5, {.cache = DType::kF8});
    const std::vector<double> want = log_probs(whole);
    for (int64_t on_cpu = 0; on_cpu < config.num_layers; ++on_cpu) {
      Llama model = Llama::random(*gpu, config, dtype, 5,
                                  {.cache = DType::kF8, .first_device = cpu.get(), .first_layers = on_cpu});
      const std::vector<double> got = log_probs(model);
      double squares = 0;
      for (size_t i = 0; i < want.size(); ++i) squares += (got[i] - want[i]) * (got[i] - want[i]);
      const double deviation = std::sqrt(squares / static_cast<double>(want.size()));
      EXPECT_LT(deviation, tolerance) << dtype_name(dtype) << ", " << on_cpu << " blocks on the processor";
      RecordProperty(std::string(dtype_name(dtype)) + "_" + std::to_string(on_cpu),
                     std::to_string(deviation));
    }
  }
}

}  // namespace
}  // namespace poro
