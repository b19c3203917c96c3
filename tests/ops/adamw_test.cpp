// The optimizer's ops on the CPU against the reference, and the reference against the formula worked out by
// hand.
#include "ops/adamw.h"

#include "ops/squared_norm.h"
#include "ops/stochastic_rounding.h"
#include "tests/ops/op_cases.h"

namespace poro {
namespace {

TEST(AdamW, TakesTheFirstStepByTheLearningRate) {
  // With bias correction the first step is rate * sign(gradient), after the decay.
  Guarded weights(DType::kF64, {2}), gradient(DType::kF64, {2}), first(DType::kF64, {2}),
      second(DType::kF64, {2});
  for (int64_t i = 0; i < 2; ++i) {
    store_element(weights, i, 1.0);
    store_element(gradient, i, i == 0 ? 0.25 : -4.0);
    store_element(first, i, 0);
    store_element(second, i, 0);
  }
  Reference reference;
  run(reference, AdamW{.weights = weights,
                       .gradient = gradient,
                       .first = first,
                       .second = second,
                       .learning_rate = 0.1,
                       .eps = 0,
                       .weight_decay = 0.5});
  EXPECT_NEAR(load_element(weights, 0), 0.95 - 0.1, 1e-15);
  EXPECT_NEAR(load_element(weights, 1), 0.95 + 0.1, 1e-15);
  EXPECT_NEAR(load_element(first, 1), -0.4, 1e-15);
  EXPECT_NEAR(load_element(second, 1), 0.016, 1e-15);
}

struct State {
  Guarded weights, gradient, first, second, rounded;
};

State make_state(DType dtype, DType moments) {
  constexpr int64_t kCount = 10007;  // More than one thread's grain, and no multiple of anything.
  const Guarded positive = random_tensor(DType::kF64, {kCount}, 4);
  for (int64_t i = 0; i < kCount; ++i) store_element(positive, i, std::abs(load_element(positive, i)));
  return {.weights = copy_as(dtype, random_tensor(DType::kF32, {kCount}, 1)),
          .gradient = copy_as(dtype, random_tensor(DType::kF32, {kCount}, 2)),
          .first = copy_as(moments, random_tensor(DType::kBF16, {kCount}, 3)),
          .second = copy_as(moments, copy_as(DType::kBF16, positive)),
          .rounded = Guarded(DType::kBF16, {kCount})};
}

AdamW op_of(const State& s) {
  return {.weights = s.weights,
          .gradient = s.gradient,
          .first = s.first,
          .second = s.second,
          .rounded = s.rounded,
          .gradient_scale = 0.5,
          .learning_rate = 1e-2,
          .beta1 = 0.9,
          .beta2 = 0.95,
          .eps = 1e-8,
          .weight_decay = 0.1,
          .step = 3,
          .seed = 42,
          .first_element = 1000};
}

TEST(AdamW, OnTheCpuIsTheReference) {
  for (const DType moments : {DType::kF32, DType::kBF16})
    for (const int threads : {1, 3}) {
      const State want = make_state(DType::kF64, moments == DType::kF32 ? DType::kF64 : moments),
                  got = make_state(DType::kF32, moments);
      Reference reference;
      Cpu cpu(threads);
      run(reference, op_of(want));
      run(cpu, op_of(got));
      for (int64_t i = 0; i < want.weights.tensor().elements(); ++i) {
        ASSERT_NEAR(load_element(got.weights, i), load_element(want.weights, i),
                    1e-6);  // A few roundings of values near 1.
        // The same random words: the same bf16, but where f32 and f64 fall on two sides of the line.
        ASSERT_NEAR(load_element(got.first, i), load_element(want.first, i),
                    moments == DType::kF32 ? 1e-6 : 0.016);
        ASSERT_NEAR(load_element(got.second, i), load_element(want.second, i),
                    moments == DType::kF32 ? 1e-6 : 0.016);
        ASSERT_EQ(load_element(got.rounded, i),
                  static_cast<double>(static_cast<float>(BFloat16(got.weights.tensor().as<float>()[i]))));
      }
    }
}

TEST(StochasticRounding, IsRightOnAverageAndKeepsWhatIsExact) {
  const float low = 1.0f, high = 1.0f + 0x1p-7f, value = low + 0.3f * (high - low);
  constexpr int kDraws = 20000;
  for (const size_t word : {0, 1, 2}) {
    double sum = 0;
    for (int i = 0; i < kDraws; ++i) {
      const float rounded = static_cast<float>(round_by_chance(value, rounding_words(1, i, 1)[word]));
      ASSERT_TRUE(rounded == low || rounded == high);
      sum += static_cast<double>(rounded);
    }
    // Four standard deviations of the mean.
    EXPECT_NEAR(sum / kDraws, static_cast<double>(value), 4 * 0x1p-7 * 0.46 / std::sqrt(kDraws));
  }
  for (const float exact : {0.0f, -2.5f, 0x1p100f, std::numeric_limits<float>::infinity()})
    EXPECT_EQ(static_cast<float>(round_by_chance(exact, 0xffffffffu)), exact);
}

TEST(SquaredNorm, OnTheCpuIsTheReferenceOnAnyNumberOfThreads) {
  for (const int64_t count : {1, 7, 65536, 200001}) {
    const Guarded x = random_tensor(DType::kF32, {count}, 5), sum(DType::kF64, {1});
    Reference reference;
    run(reference, SquaredNorm{.x = x, .sum = sum});
    const double want = load_element(sum, 0);
    Cpu one(1), three(3);
    run(one, SquaredNorm{.x = x, .sum = sum});
    const double alone = load_element(sum, 0);
    EXPECT_NEAR(alone, want, 1e-12 * want);
    run(three, SquaredNorm{.x = x, .sum = sum});
    EXPECT_EQ(load_element(sum, 0), alone);
  }
}

}  // namespace
}  // namespace poro
