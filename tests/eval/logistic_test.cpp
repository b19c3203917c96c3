// The fit is held against the conditions that the minimum of a convex function meets, so no other program is
// needed to know it is right.
#include "eval/logistic.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

namespace poro {
namespace {

LogisticData example(Eigen::Index n) {
  LogisticData data{Eigen::MatrixXd(n, 3), Eigen::VectorXd(n), Eigen::VectorXd(n), Eigen::VectorXd(n)};
  Random random(7);
  for (Eigen::Index i = 0; i < n; ++i) {
    for (Eigen::Index j = 0; j < 3; ++j) data.features(i, j) = 2 * random.uniform() - 1;
    data.labels[i] = random.uniform() < logistic(2 * data.features(i, 0)) ? 0.9 : 0.1;
    data.weights[i] = 0.5 + random.uniform();
    data.offsets[i] = random.uniform() - 0.5;
  }
  return data;
}

// The slope of the unpenalised part at w.
Eigen::VectorXd slope(const LogisticData& data, double c, const Eigen::VectorXd& w) {
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(w.size());
  for (Eigen::Index i = 0; i < data.labels.size(); ++i) {
    const double margin = data.features.row(i).dot(w) + data.offsets[i];
    sum += c * data.weights[i] * (logistic(margin) - data.labels[i]) * data.features.row(i).transpose();
  }
  return sum;
}

TEST(Logistic, TheFitMeetsTheConditionsOfTheMinimum) {
  const LogisticData data = example(200);
  for (const double c : {0.01, 0.1, 1.0, 1e4}) {
    const Eigen::VectorXd w = fit_logistic(data, c), g = slope(data, c, w);
    for (Eigen::Index j = 0; j < w.size(); ++j)
      if (w[j] == 0)
        EXPECT_LE(std::abs(g[j]), 1 + 1e-9) << c;
      else
        EXPECT_NEAR(g[j], w[j] > 0 ? -1 : 1, 1e-6 * std::max(1.0, c)) << c;
  }
}

TEST(Logistic, AStrongPenaltyLeavesNothingAndAWeakOneTheTruth) {
  const LogisticData data = example(2000);
  EXPECT_EQ(fit_logistic(data, 1e-4).norm(), 0);
  EXPECT_GT(fit_logistic(data, 1e3)[0], 1);
  EXPECT_LT(std::abs(fit_logistic(data, 1e3)[1]), 0.3);
}

TEST(Logistic, CrossValidationPrefersAFitThatPredicts) {
  const CrossValidated chosen = fit_logistic_cv(example(500), 5);
  EXPECT_GT(chosen.c, 1e-2);
  EXPECT_GT(chosen.weights[0], 0.5);
}

TEST(Logistic, LabelsThatAFeatureSeparatesDoNotBreakIt) {
  LogisticData data{Eigen::MatrixXd(4, 1), Eigen::VectorXd(4), Eigen::VectorXd::Ones(4),
                    Eigen::VectorXd::Zero(4)};
  data.features << -2, -1, 1, 2;
  data.labels << 0, 0, 1, 1;
  const double w = fit_logistic(data, 1e4)[0];
  EXPECT_TRUE(std::isfinite(w));
  EXPECT_GT(w, 3);
}

TEST(Logistic, IsStableForLargeArguments) {
  EXPECT_EQ(logistic(800), 1);
  EXPECT_EQ(logistic(-800), 0);
  EXPECT_EQ(logistic(0), 0.5);
}

}  // namespace
}  // namespace poro
