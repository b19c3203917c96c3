// However ranks share a run out, it is the run of one rank with as many more micro-batches, to the order of
// sums; and the same run twice is the same, bit for bit.
#include <gtest/gtest.h>

#include "tests/train/small_run.h"

namespace poro {
namespace {

// float32 sums in another order: a few units in the last place of losses near 5.
constexpr double kLossTolerance = 1e-6;

struct Sharing {
  int ranks;
  int64_t zero, tensor;
};

void expect_like_one_rank(Recipe recipe, const LlamaConfig& config) {
  const SmallRun::Outcome want = SmallRun(recipe, config).train(1);
  for (const auto& [ranks, zero, tensor] : std::vector<Sharing>{{2, 0, 1},
                                                                {2, 3, 1},
                                                                {4, 0, 1},
                                                                {4, 1, 1},
                                                                {4, 2, 1},
                                                                {4, 3, 1},
                                                                {2, 0, 2},
                                                                {4, 0, 2},
                                                                {4, 2, 2},
                                                                {4, 3, 2}}) {
    recipe.parallel = {.zero = zero, .tensor = tensor};
    const std::string what = fmt::format("{} ranks, zero {}, tensor {}", ranks, zero, tensor);
    const SmallRun run(recipe, config);
    const SmallRun::Outcome got = run.train(ranks), again = run.train(ranks);
    ASSERT_EQ(got.steps.size(), want.steps.size());
    for (size_t step = 0; step < want.steps.size(); ++step) {
      EXPECT_NEAR(got.steps[step].loss, want.steps[step].loss, kLossTolerance) << what;
      EXPECT_NEAR(got.steps[step].grad_norm, want.steps[step].grad_norm, 1e-5) << what;
      EXPECT_EQ(got.steps[step].tokens, want.steps[step].tokens);
      EXPECT_EQ(got.steps[step].loss, again.steps[step].loss);
    }
    EXPECT_EQ(got.weights.size(), want.weights.size());
    EXPECT_TRUE(got.weights == again.weights) << what << ": two runs differ";
  }
}

TEST(Ranks, ShareOutSft) {
  expect_like_one_rank(small_recipe(Stage::kSft), small_config());
}

TEST(Ranks, ShareOutATiedHead) {
  LlamaConfig config = small_config();
  config.has_tied_head = true;
  expect_like_one_rank(small_recipe(Stage::kCpt), config);
}

TEST(Ranks, ShareOutPreferences) {
  expect_like_one_rank(small_recipe(Stage::kDpo), small_config());
}

TEST(Ranks, ShareOutWhatIsRoundedAndRecomputed) {
  Recipe recipe = small_recipe(Stage::kSft);
  recipe.train.recompute = Recompute::kFull;
  recipe.optimizer.moments = Precision::kBf16;
  // Moments are rounded by chance, and another last bit of a gradient may fall to the other side: the first
  // two losses, which come before the first update can tell, are enough to see that nothing is lost.
  recipe.train.steps = 2;
  expect_like_one_rank(recipe, small_config());
}

TEST(Recompute, ChangesNoBit) {
  Recipe recipe = small_recipe(Stage::kSft);
  const SmallRun::Outcome want = SmallRun(recipe, small_config()).train(1);
  for (const Recompute recompute : {Recompute::kSelective, Recompute::kFull}) {
    recipe.train.recompute = recompute;
    const SmallRun::Outcome got = SmallRun(recipe, small_config()).train(1);
    EXPECT_TRUE(got.weights == want.weights) << choice_name(recompute);
    EXPECT_EQ(got.steps.back().grad_norm, want.steps.back().grad_norm);
  }
}

TEST(Training, LowersTheLossOfWhatItSees) {
  Recipe recipe = small_recipe(Stage::kSft);
  recipe.train.steps = 40;
  recipe.optimizer.learning_rate = 3e-3;
  const SmallRun::Outcome outcome = SmallRun(recipe, small_config()).train(1);
  EXPECT_LT(outcome.steps.back().loss, outcome.steps.front().loss - 0.5);
}

}  // namespace
}  // namespace poro
