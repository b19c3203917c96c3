#include "eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/random.h"

namespace poro {
namespace {

constexpr double kNormalQuantile = 1.959963984540054;  // Of 0.975.
constexpr size_t kMaxExactItems = 16;

// The q-quantile of sorted values, linear between neighbours.
double quantile(std::span<const double> sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Interval wilson_interval(Proportion proportion) {
  if (proportion.trials == 0) return {0, 1};
  const auto n = static_cast<double>(proportion.trials);
  const double p = static_cast<double>(proportion.successes) / n, z = kNormalQuantile;
  const double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

Interval bootstrap_interval(size_t n, const std::function<double(std::span<const uint32_t>)>& statistic,
                            const Bootstrap& bootstrap) {
  CHECK(n > 0 && bootstrap.resamples > 0, "{} items, {} resamples", n, bootstrap.resamples);
  std::vector<double> values(bootstrap.resamples);
  std::vector<uint32_t> drawn(n);
  for (size_t i = 0; i < bootstrap.resamples; ++i) {
    Random random(bootstrap.seed, i);
    for (uint32_t& index : drawn) index = static_cast<uint32_t>(random.uniform() * static_cast<double>(n));
    values[i] = statistic(drawn);
  }
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.025), quantile(values, 0.975)};
}

Interval bootstrap_interval(std::span<const double> values, const Bootstrap& bootstrap) {
  return bootstrap_interval(
      values.size(),
      [&](std::span<const uint32_t> drawn) {
        double sum = 0;
        for (const uint32_t index : drawn) sum += values[index];
        return sum / static_cast<double>(drawn.size());
      },
      bootstrap);
}

double mean(std::span<const double> values) {
  CHECK(!values.empty(), "the mean of nothing");
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_error(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double centre = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - centre) * (value - centre);
  const auto n = static_cast<double>(values.size());
  return std::sqrt(squares / (n - 1) / n);
}

double paired_p_value(std::span<const double> a, std::span<const double> b, const Bootstrap& bootstrap) {
  CHECK(a.size() == b.size(), "{} against {} items", a.size(), b.size());
  std::vector<double> differences;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i]) differences.push_back(a[i] - b[i]);
  const double observed = std::abs(std::accumulate(differences.begin(), differences.end(), 0.0));
  const double as_large = observed * (1 - 1e-12);  // Sums in another order round differently.
  if (differences.size() <= kMaxExactItems) {
    const size_t num_swaps = size_t{1} << differences.size();
    size_t num_as_large = 0;
    for (size_t swaps = 0; swaps < num_swaps; ++swaps) {
      double sum = 0;
      for (size_t i = 0; i < differences.size(); ++i)
        sum += swaps >> i & 1 ? -differences[i] : differences[i];
      num_as_large += std::abs(sum) >= as_large;
    }
    return static_cast<double>(num_as_large) / static_cast<double>(num_swaps);
  }
  size_t num_as_large = 1;
  for (size_t i = 0; i < bootstrap.resamples; ++i) {
    Random random(bootstrap.seed, i);
    double sum = 0;
    for (const double difference : differences) sum += random.uniform() < 0.5 ? -difference : difference;
    num_as_large += std::abs(sum) >= as_large;
  }
  return static_cast<double>(num_as_large) / static_cast<double>(bootstrap.resamples + 1);
}

}  // namespace poro
