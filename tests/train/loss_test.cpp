// Every row of the table of losses against finite differences, and against values worked out by hand.
#include "train/loss.h"

#include <gtest/gtest.h>

#include <cmath>

namespace poro {
namespace {

std::vector<PreferenceOptions> all_losses() {
  std::vector<PreferenceOptions> rows;
  for (const auto& choice : choices(PreferenceLoss{})) rows.push_back({.loss = choice.value, .beta = 0.3});
  rows.push_back({.loss = PreferenceLoss::kSigmoid, .beta = 0.1, .label_smoothing = 0.2});
  rows.push_back({.loss = PreferenceLoss::kRobust, .beta = 0.1, .label_smoothing = 0.2});
  return rows;
}

TEST(PairLoss, HasTheDerivativesOfItsValue) {
  constexpr double kStep = 1e-5;
  constexpr double kTolerance =
      1e-8;  // The error of a central difference: step squared times the third derivative.
  const std::vector<std::pair<Answer, Answer>> cases = {
      {{.logp = -12, .reference = -14, .tokens = 5}, {.logp = -20, .reference = -18, .tokens = 9}},
      {{.logp = -30, .reference = -21, .tokens = 8}, {.logp = -2.5, .reference = -7, .tokens = 3}},
      {{.logp = -0.01, .reference = -0.5, .tokens = 2}, {.logp = -90, .reference = -60, .tokens = 40}}};
  const KtoBaseline baseline{.for_chosen = 0.7, .for_rejected = 0.2};
  for (const PreferenceOptions& options : all_losses())
    for (const auto& [chosen, rejected] : cases) {
      const PairLoss loss = pair_loss(options, chosen, rejected, baseline);
      const auto value = [&](double d_chosen, double d_rejected) {
        Answer c = chosen, r = rejected;
        c.logp += d_chosen;
        r.logp += d_rejected;
        return pair_loss(options, c, r, baseline).value;
      };
      const double scale = 1 + std::abs(loss.d_chosen) + std::abs(loss.d_rejected);
      EXPECT_NEAR((value(kStep, 0) - value(-kStep, 0)) / (2 * kStep), loss.d_chosen, kTolerance * scale * 10)
          << choice_name(options.loss);
      EXPECT_NEAR((value(0, kStep) - value(0, -kStep)) / (2 * kStep), loss.d_rejected,
                  kTolerance * scale * 10)
          << choice_name(options.loss);
    }
}

TEST(PairLoss, IsWhatThePapersSay) {
  const Answer chosen{.logp = -10, .reference = -11, .tokens = 4},
      rejected{.logp = -9, .reference = -7, .tokens = 2};
  const auto value = [&](const PreferenceOptions& options) {
    return pair_loss(options, chosen, rejected, {}).value;
  };
  const double h = 0.5 * (1 + 2);  // beta (log-ratio of chosen - log-ratio of rejected)
  EXPECT_NEAR(value({.loss = PreferenceLoss::kSigmoid, .beta = 0.5}), std::log(1 + std::exp(-h)), 1e-12);
  EXPECT_NEAR(value({.loss = PreferenceLoss::kSigmoid, .beta = 0.5, .label_smoothing = 0.1}),
              0.9 * std::log(1 + std::exp(-h)) + 0.1 * std::log(1 + std::exp(h)), 1e-12);
  EXPECT_NEAR(value({.loss = PreferenceLoss::kRobust, .beta = 0.5, .label_smoothing = 0.1}),
              (0.9 * std::log(1 + std::exp(-h)) - 0.1 * std::log(1 + std::exp(h))) / 0.8, 1e-12);
  EXPECT_NEAR(value({.loss = PreferenceLoss::kHinge, .beta = 0.1}), 1 - 0.3, 1e-12);
  EXPECT_NEAR(value({.loss = PreferenceLoss::kIpo, .beta = 0.5}), std::pow(0.25 + 1 - 1, 2), 1e-12);
  EXPECT_NEAR(value({.loss = PreferenceLoss::kSimPo, .beta = 2, .margin = 0.5}),
              std::log(1 + std::exp(-(2 * (-2.5 + 4.5) - 0.5))), 1e-12);
  const auto odds = [](double logp) { return std::exp(logp) / (1 - std::exp(logp)); };
  EXPECT_NEAR(value({.loss = PreferenceLoss::kOrpo, .lambda = 0.2}),
              2.5 + 0.2 * std::log(1 + odds(-4.5) / odds(-2.5)), 1e-12);
  EXPECT_NEAR(value({.loss = PreferenceLoss::kKto, .beta = 0.5}),
              2 - 1 / (1 + std::exp(-0.5)) - 1 / (1 + std::exp(-1.0)), 1e-12);
}

TEST(PairLoss, StaysFiniteFarAway) {
  for (const PreferenceOptions& options : all_losses())
    for (const double far : {-1e5, 0.0}) {
      const PairLoss loss = pair_loss(options, {.logp = far, .reference = -1, .tokens = 3},
                                      {.logp = -1e5 - far, .reference = -2, .tokens = 3}, {});
      EXPECT_TRUE(std::isfinite(loss.value) && std::isfinite(loss.d_chosen) && std::isfinite(loss.d_rejected))
          << choice_name(options.loss);
    }
}

Batch two_pairs() {
  Batch batch;
  batch.ids.resize(12);
  batch.weights = {0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 1};
  batch.pairs = {{.chosen = {0, 3}, .rejected = {3, 5}, .id = 0, .source = 0},
                 {.chosen = {5, 8}, .rejected = {8, 12}, .id = 1, .source = 1}};
  batch.sequences = {{.tokens = {0, 5}, .source = 0}, {.tokens = {5, 12}, .source = 1}};
  return batch;
}

TEST(Coefficients, AreTheDerivativesByEveryTokenOfABatch) {
  const Batch batch = two_pairs();
  std::vector<double> logp;
  for (int t = 0; t < 12; ++t) logp.push_back(-0.5 - 0.3 * (t % 5));
  const std::vector<ReferenceSums> reference = {{-1.5, -2}, {-2.5, -1}};
  for (const PreferenceOptions& options : all_losses()) {
    if (options.loss == PreferenceLoss::kKto) continue;  // Its baseline is held fixed, as PairLoss tests.
    LossSums sums(2);
    const std::vector<double> coefficients =
        preference_coefficients(options, batch, logp, reference, 8, sums);
    for (size_t t = 0; t < 12; ++t) {
      const auto value = [&](double change) {
        std::vector<double> moved = logp;
        moved[t] += change;
        LossSums other(2);
        preference_coefficients(options, batch, moved, reference, 8, other);
        return other.loss;
      };
      EXPECT_NEAR(-(value(1e-5) - value(-1e-5)) / 2e-5, coefficients[t], 1e-8)
          << choice_name(options.loss) << " " << t;
    }
    EXPECT_NEAR((sums.source_loss[0] + sums.source_loss[1]) / 8, sums.loss, 1e-12);
  }
}

TEST(Coefficients, OfCrossEntropyAreTheWeightOverAllTargets) {
  const Batch batch = two_pairs();
  EXPECT_EQ(cross_entropy_coefficients(batch, 14)[1], 1.0 / 14);
  EXPECT_EQ(cross_entropy_coefficients(batch, 14)[0], 0);
  LossSums sums(2);
  add_cross_entropy(batch, std::vector<double>(12, -2.0), 14, sums);
  EXPECT_DOUBLE_EQ(sums.loss, 2.0 * 7 / 14);
  EXPECT_EQ(sums.source_count, (std::vector<double>{3, 4}));
}

}  // namespace
}  // namespace poro
