// The composition it stands for: logits, log-softmax, and the gradient of its target entry; one row at a time.
#include "ops/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace poro {
namespace {

// Log-softmax of the logits after row t of `hidden`.
std::vector<double> log_softmax_row(const Tensor& hidden, const Matrix& head, int64_t t) {
  const int64_t width = head.inputs();
  std::vector<double> row(static_cast<size_t>(head.outputs()));
  for (int64_t v = 0; v < head.outputs(); ++v)
    for (int64_t c = 0; c < width; ++c)
      row[static_cast<size_t>(v)] += load_element(hidden, t * width + c) * load_element(head.values, v * width + c);
  const double highest = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const double logit : row) sum += std::exp(logit - highest);
  for (double& logit : row) logit -= highest + std::log(sum);
  return row;
}

}  // namespace

void run(Reference&, const TargetLogProbs& op) {
  for (int64_t t = 0; t < op.hidden.dim(0); ++t)
    store_element(op.logp, t, log_softmax_row(op.hidden, op.head, t)[static_cast<size_t>(op.targets.as<int32_t>()[t])]);
}

void run(Reference&, const CrossEntropyBackward& op) {
  const int64_t width = op.head.inputs();
  std::vector<double> dhead(static_cast<size_t>(op.dhead.elements()));
  for (int64_t t = 0; t < op.hidden.dim(0); ++t) {
    const double coefficient = op.coefficients.as<double>()[t];
    const int64_t target = op.targets.as<int32_t>()[t];
    const std::vector<double> row = log_softmax_row(op.hidden, op.head, t);
    if (op.logp) store_element(op.logp, t, row[static_cast<size_t>(target)]);
    std::vector<double> dhidden(static_cast<size_t>(width));
    for (int64_t v = 0; coefficient != 0 && v < op.head.outputs(); ++v) {
      const double dlogit = coefficient * (std::exp(row[static_cast<size_t>(v)]) - (v == target ? 1.0 : 0.0));
      for (int64_t c = 0; c < width; ++c) {
        dhidden[static_cast<size_t>(c)] += dlogit * load_element(op.head.values, v * width + c);
        dhead[static_cast<size_t>(v * width + c)] += dlogit * load_element(op.hidden, t * width + c);
      }
    }
    for (int64_t c = 0; c < width; ++c) store_element(op.dhidden, t * width + c, dhidden[static_cast<size_t>(c)]);
  }
  for (size_t i = 0; i < dhead.size(); ++i)
    store_element(op.dhead, static_cast<int64_t>(i), load_element(op.dhead, static_cast<int64_t>(i)) + dhead[i]);
}

}  // namespace poro
