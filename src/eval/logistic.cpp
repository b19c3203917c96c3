#include "eval/logistic.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace poro {
namespace {

// log(1 + exp(x)), without overflow.
double softplus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}

double objective(const LogisticData& data, double c, const Eigen::VectorXd& w) {
  const Eigen::VectorXd margins = data.features * w + data.offsets;
  double loss = 0;
  for (Eigen::Index i = 0; i < margins.size(); ++i)
    loss += data.weights[i] * (softplus(margins[i]) - data.labels[i] * margins[i]);
  return w.lpNorm<1>() + c * loss;
}

// argmin over d of g·d + d·H·d / 2 + ||w + d||_1, one coordinate at a time.
Eigen::VectorXd penalised_step(const Eigen::VectorXd& gradient, const Eigen::MatrixXd& hessian,
                               const Eigen::VectorXd& w) {
  constexpr int kMaxSweeps = 1000;
  Eigen::VectorXd step = Eigen::VectorXd::Zero(w.size());
  for (int sweep = 0; sweep < kMaxSweeps; ++sweep) {
    double largest = 0;
    for (Eigen::Index j = 0; j < w.size(); ++j) {
      if (hessian(j, j) <= 0) continue;
      const double slope = gradient[j] + hessian.row(j).dot(step), at = w[j] + step[j];
      const double free = at - slope / hessian(j, j), shrink = 1 / hessian(j, j);
      const double moved = std::copysign(std::max(std::abs(free) - shrink, 0.0), free);
      largest = std::max(largest, std::abs(moved - at));
      step[j] = moved - w[j];
    }
    if (largest < 1e-14) break;
  }
  return step;
}

LogisticData part(const LogisticData& data, const std::vector<Eigen::Index>& rows) {
  return {.features = data.features(rows, Eigen::all),
          .labels = data.labels(rows),
          .weights = data.weights(rows),
          .offsets = data.offsets(rows)};
}

// Mean of the weighted losses over the rows.
double log_loss(const LogisticData& data, const Eigen::VectorXd& w) {
  constexpr double kLeast = 1e-15;
  const Eigen::VectorXd margins = data.features * w + data.offsets;
  double sum = 0;
  for (Eigen::Index i = 0; i < margins.size(); ++i) {
    const double p = std::clamp(logistic(margins[i]), kLeast, 1 - kLeast);
    sum -= data.weights[i] * (data.labels[i] * std::log(p) + (1 - data.labels[i]) * std::log1p(-p));
  }
  return sum / static_cast<double>(margins.size());
}

}  // namespace

double logistic(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

Eigen::VectorXd fit_logistic(const LogisticData& data, double c) {
  constexpr int kMaxSteps = 200;
  Eigen::VectorXd w = Eigen::VectorXd::Zero(data.features.cols());
  double value = objective(data, c, w);
  for (int iteration = 0; iteration < kMaxSteps; ++iteration) {
    const Eigen::VectorXd margins = data.features * w + data.offsets;
    Eigen::VectorXd residuals(margins.size()), curvatures(margins.size());
    for (Eigen::Index i = 0; i < margins.size(); ++i) {
      const double p = logistic(margins[i]);
      residuals[i] = c * data.weights[i] * (p - data.labels[i]);
      curvatures[i] = c * data.weights[i] * std::max(p * (1 - p), 1e-12);
    }
    const Eigen::VectorXd gradient = data.features.transpose() * residuals;
    const Eigen::MatrixXd hessian = data.features.transpose() * curvatures.asDiagonal() * data.features;
    const Eigen::VectorXd step = penalised_step(gradient, hessian, w);
    double length = 1;
    while (length > 1e-10 && objective(data, c, w + length * step) > value) length /= 2;
    const Eigen::VectorXd next = w + length * step;
    const double next_value = objective(data, c, next);
    if (next_value > value) break;
    const double moved = (next - w).lpNorm<Eigen::Infinity>();
    w = next;
    value = next_value;
    if (moved < 1e-13 * (1 + w.lpNorm<Eigen::Infinity>())) break;
  }
  return w;
}

CrossValidated fit_logistic_cv(const LogisticData& data, size_t folds) {
  constexpr int kNumValues = 10;
  const auto n = static_cast<size_t>(data.labels.size());
  CHECK(folds >= 2 && n >= folds, "{} folds of {} rows", folds, n);
  std::vector<double> losses(kNumValues, 0.0);
  const auto value_of = [](int i) { return std::pow(10.0, -4 + 8.0 * i / (kNumValues - 1)); };
  for (size_t fold = 0; fold < folds; ++fold) {
    std::vector<Eigen::Index> kept, left_out;
    for (size_t i = 0; i < n; ++i)
      (i % folds == fold ? left_out : kept).push_back(static_cast<Eigen::Index>(i));
    const LogisticData train = part(data, kept), test = part(data, left_out);
    for (int i = 0; i < kNumValues; ++i)
      losses[static_cast<size_t>(i)] += log_loss(test, fit_logistic(train, value_of(i)));
  }
  const auto best = std::min_element(losses.begin(), losses.end()) - losses.begin();
  const double c = value_of(static_cast<int>(best));
  return {.weights = fit_logistic(data, c), .c = c};
}

}  // namespace poro
