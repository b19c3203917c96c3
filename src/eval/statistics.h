// Intervals and tests that every benchmark's numbers are given with.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace poro {

struct Interval {
  double low, high;
};

// The 95 % score interval of a proportion (Wilson 1927): right for few trials and for proportions near 0
// or 1. {0, 1} for no trials.
struct Proportion {
  size_t successes, trials;
};
Interval wilson_interval(Proportion proportion);

// The 95 % percentile interval of `statistic` over resamples of `n` items with replacement (Efron 1979). The
// statistic gets the drawn indices, all of them below n. The same seed gives the same interval. n must not be
// 0.
struct Bootstrap {
  size_t resamples = 1000;
  uint64_t seed = 0;
};
Interval bootstrap_interval(size_t n, const std::function<double(std::span<const uint32_t>)>& statistic,
                            const Bootstrap& bootstrap = {});
// Of the mean of values.
Interval bootstrap_interval(std::span<const double> values, const Bootstrap& bootstrap = {});

double mean(std::span<const double> values);
// The standard error of the mean, by the sample variance (n - 1); 0 for fewer than two values.
double standard_error(std::span<const double> values);

// Whether two systems differ on the same items: the two-sided probability of a mean difference at least this
// large when the system's names are swapped at random item by item (the paired permutation test). Exact over
// all swaps for up to 16 items that differ, else by `resamples` random swaps, the observed one counted among
// them.
double paired_p_value(std::span<const double> a, std::span<const double> b,
                      const Bootstrap& bootstrap = {.resamples = 10000});

}  // namespace poro
