// The plan on paper, held against sums worked out by hand.
#include "train/cluster_plan.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace poro {
namespace {

ClusterRequest request_of(const std::string& shape, int64_t nodes) {
  ClusterRequest request{.recipe = {},
                         .config = LlamaConfig::named_shape(shape),
                         .gpu = named_gpu("h200"),
                         .nodes = nodes,
                         .tokens = {}};
  request.recipe.stage = Stage::kCpt;
  request.recipe.data.sequence_length = 8192;
  request.recipe.train.global_batch = 512;
  request.recipe.train.steps = 100;
  request.recipe.parallel = {.zero = 1, .tensor = 2};
  return request;
}

TEST(ClusterPlan, CountsWhatAStepTakes) {
  const ClusterRequest request = request_of("poro2-8b", 4);
  const ClusterPlan plan = plan_cluster(request);
  EXPECT_EQ(plan.gpus, 32);
  EXPECT_EQ(plan.replicas, 16);
  EXPECT_EQ(plan.accumulation, 32);
  EXPECT_EQ(plan.tokens_per_step, 512 * 8192.0);
  // 51.5 GF a token for this shape and length, as Megatron-Bridge counts.
  EXPECT_NEAR(plan.flops_per_step / plan.tokens_per_step, 51.5e9, 0.3e9);
  // Gradients of half the weights in f32 to 15 of 16 replicas, and their weights in bf16 back.
  EXPECT_NEAR(plan.replica_bytes, 8.03e9 / 2 * (4 + 2) * 15 / 16, 0.01e9);
  // 8 messages of (8192, 4096) bf16 states in 32 blocks and 32 passes, half of each to the other rank.
  EXPECT_NEAR(plan.tensor_bytes, 8.0 * 32 * 32 * 8192 * 4096 * 2 / 2, 1);
  EXPECT_NEAR(plan.compute_seconds, plan.flops_per_step / (32 * 989e12 * 0.45), 1e-9);
  EXPECT_TRUE(plan.fits());
  EXPECT_NE(describe(plan, request).find("The run: 100 steps"), std::string::npos);
}

TEST(ClusterPlan, SaysWhatDoesNotFit) {
  ClusterRequest request = request_of("poro2-70b", 1);
  request.recipe.parallel = {.zero = 0, .tensor = 1};
  const ClusterPlan plan = plan_cluster(request);
  EXPECT_FALSE(plan.fits());
  EXPECT_NE(describe(plan, request).find("does NOT fit"), std::string::npos);
  request.recipe.parallel.tensor = 3;
  EXPECT_THROW(plan_cluster(request), Error);  // 8 GPUs are no multiple of 3.
  request.recipe.parallel.tensor = 16;
  request.nodes = 2;
  EXPECT_THROW(plan_cluster(request), Error);  // Over the edge of a node.
  EXPECT_THROW(named_gpu("h20"), Error);
}

TEST(ClusterPlan, MoreSharingTakesLessMemoryAndMoreMessages) {
  ClusterRequest request = request_of("poro2-8b", 2);
  double memory = 1e18, bytes = 0;
  for (int64_t zero = 1; zero <= 3; ++zero) {
    request.recipe.parallel.zero = zero;
    const ClusterPlan plan = plan_cluster(request);
    EXPECT_LT(total_bytes(plan.memory), memory);
    EXPECT_GT(plan.replica_bytes, bytes);
    memory = total_bytes(plan.memory);
    bytes = plan.replica_bytes;
  }
}

}  // namespace
}  // namespace poro
