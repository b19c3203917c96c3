#include "eval/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace poro {
namespace {

TEST(Statistics, WilsonIntervalAgainstValuesWorkedByHand) {
  // p = 0.5, n = 4: centre 0.5, half width z sqrt(1/16 + z^2/64) / (1 + z^2/4).
  const double z = 1.959963984540054;
  const double half = z * std::sqrt(1.0 / 16 + z * z / 64) / (1 + z * z / 4);
  const Interval half_won = wilson_interval({.successes = 2, .trials = 4});
  EXPECT_NEAR(half_won.low, 0.5 - half, 1e-12);
  EXPECT_NEAR(half_won.high, 0.5 + half, 1e-12);
  // No success: from 0 to z^2 / (n + z^2).
  const Interval none = wilson_interval({.successes = 0, .trials = 10});
  EXPECT_NEAR(none.low, 0, 1e-12);
  EXPECT_NEAR(none.high, z * z / (10 + z * z), 1e-12);
  EXPECT_EQ(wilson_interval({.successes = 0, .trials = 0}).high, 1);
}

TEST(Statistics, MeanAndStandardError) {
  const std::vector<double> values = {1, 2, 3, 4};
  EXPECT_DOUBLE_EQ(mean(values), 2.5);
  EXPECT_DOUBLE_EQ(standard_error(values), std::sqrt(5.0 / 3 / 4));
  EXPECT_EQ(standard_error(std::vector<double>{7}), 0);
}

TEST(Statistics, TheBootstrapIsRepeatableAndCoversTheNormalInterval) {
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(std::fmod(i * 0.618034, 1.0));  // Evenly over [0, 1).
  const Interval interval = bootstrap_interval(values, {.resamples = 4000, .seed = 3});
  const double half = 1.96 * standard_error(values);
  EXPECT_NEAR(interval.low, mean(values) - half, 0.1 * half);
  EXPECT_NEAR(interval.high, mean(values) + half, 0.1 * half);
  const Interval again = bootstrap_interval(values, {.resamples = 4000, .seed = 3});
  EXPECT_EQ(interval.low, again.low);
  EXPECT_EQ(interval.high, again.high);
  EXPECT_NE(interval.low, bootstrap_interval(values, {.resamples = 4000, .seed = 4}).low);
}

TEST(Statistics, ThePairedTestIsExactForFewItems) {
  // Three items differ, all in favour of a: only all swapped or none swapped is as extreme, 2 of 8.
  const std::vector<double> a = {1, 1, 1, 0}, b = {0, 0, 0, 0};
  EXPECT_DOUBLE_EQ(paired_p_value(a, b), 0.25);
  EXPECT_DOUBLE_EQ(paired_p_value(a, a), 1);
  // One against one: every swap is as extreme as 0.
  EXPECT_DOUBLE_EQ(paired_p_value(std::vector<double>{1, 0}, std::vector<double>{0, 1}), 1);
}

TEST(Statistics, ThePairedTestBySamplingComesNearTheExactOne) {
  // 20 items differ, 15 for a and 5 for b: the binomial test's 2 P(X >= 15) = 0.0414.
  std::vector<double> a(20, 0), b(20, 0);
  for (int i = 0; i < 20; ++i) (i < 15 ? a : b)[static_cast<size_t>(i)] = 1;
  EXPECT_NEAR(paired_p_value(a, b), 0.0414, 0.006);
}

}  // namespace
}  // namespace poro
