// The plan on paper is the memory that a run takes.
#include "train/memory_plan.h"

#include <gtest/gtest.h>

#include "train/shards.h"

namespace poro {
namespace {

TEST(MemoryPlan, IsWhatShardsAndActivationsTake) {
  LlamaConfig config = LlamaConfig::named_shape("tiny");
  config.num_layers = 6;
  for (int64_t zero = 0; zero <= 3; ++zero)
    for (const DType weights : {DType::kF32, DType::kBF16})
      for (const Recompute recompute : {Recompute::kNone, Recompute::kSelective, Recompute::kFull})
        run_ranks(2, [&](Comm& comm) {
          const auto device = Device::cpu(1);
          Shards shards(*device, comm, config, {.weights = weights, .moments = DType::kBF16, .zero = zero});
          Llama model = Llama::over(*device, config, shards.weights());
          model.prepare_training({.max_tokens = 100, .recompute = recompute, .units = &shards});
          const std::vector<MemoryRow> plan = plan_memory({.config = config,
                                                           .max_tokens = 100,
                                                           .replicas = 2,
                                                           .zero = zero,
                                                           .recompute = recompute,
                                                           .weight_bytes = weights == DType::kF32 ? 4.0 : 2.0,
                                                           .moment_bytes = 2});
          const std::vector<Shards::Memory> memory = shards.memory();
          for (size_t i = 0; i < memory.size(); ++i) {
            EXPECT_EQ(memory[i].name, plan[i].name);
            // Shares are padded.
            EXPECT_NEAR(static_cast<double>(memory[i].bytes), plan[i].bytes, 0.01 * plan[i].bytes + 10000)
                << plan[i].name << ", zero " << zero;
          }
          EXPECT_NEAR(static_cast<double>(model.training_bytes()), plan[4].bytes, 0.01 * plan[4].bytes);
        });
}

}  // namespace
}  // namespace poro
