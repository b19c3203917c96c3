// The composition it stands for: logits, log-softmax, and the gradient of its target entry; one row at a
// time.
#include "ops/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace poro {
namespace {

// The logits after row t of `hidden`.
std::vector<double> logits_of_row(const Tensor& hidden, const Matrix& head, int64_t t) {
  const int64_t width = head.inputs();
  std::vector<double> row(static_cast<size_t>(head.outputs()));
  for (int64_t v = 0; v < head.outputs(); ++v)
    for (int64_t c = 0; c < width; ++c)
      row[static_cast<size_t>(v)] +=
          load_element(hidden, t * width + c) * load_element(head.values, v * width + c);
  return row;
}

double log_sum_exp(const std::vector<double>& logits) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit - highest);
  return highest + std::log(sum);
}

// The target's logit; 0 when the target is not among the rows.
double target_logit(const std::vector<double>& logits, int64_t target) {
  return target >= 0 && target < static_cast<int64_t>(logits.size()) ? logits[static_cast<size_t>(target)]
                                                                     : 0.0;
}

}  // namespace

void run(Reference&, const TargetLogProbs& op) {
  for (int64_t t = 0; t < op.hidden.dim(0); ++t) {
    store_element(op.logp, t, 0);
    if (op.lse) op.lse.as<double>()[t] = 0;
    if (op.targets.as<int32_t>()[t] < 0) continue;
    const std::vector<double> logits = logits_of_row(op.hidden, op.head, t);
    const double logit = target_logit(logits, op.targets.as<int32_t>()[t] - op.first_id),
                 denominator = log_sum_exp(logits);
    store_element(op.logp, t, op.lse ? logit : logit - denominator);
    if (op.lse) op.lse.as<double>()[t] = denominator;
  }
}

void run(Reference&, const CrossEntropyBackward& op) {
  const int64_t width = op.head.inputs();
  std::vector<double> dhead(static_cast<size_t>(op.dhead.elements()));
  for (int64_t t = 0; t < op.hidden.dim(0); ++t) {
    const double coefficient = op.coefficients.as<double>()[t];
    const int64_t target = op.targets.as<int32_t>()[t] - op.first_id;
    const std::vector<double> logits = logits_of_row(op.hidden, op.head, t);
    const double denominator = op.lse ? op.lse.as<double>()[t] : log_sum_exp(logits);
    if (op.logp)
      store_element(op.logp, t, coefficient == 0 ? 0.0 : target_logit(logits, target) - denominator);
    std::vector<double> dhidden(static_cast<size_t>(width));
    for (int64_t v = 0; coefficient != 0 && v < op.head.outputs(); ++v) {
      const double dlogit =
          coefficient * (std::exp(logits[static_cast<size_t>(v)] - denominator) - (v == target ? 1.0 : 0.0));
      for (int64_t c = 0; c < width; ++c) {
        dhidden[static_cast<size_t>(c)] += dlogit * load_element(op.head.values, v * width + c);
        dhead[static_cast<size_t>(v * width + c)] += dlogit * load_element(op.hidden, t * width + c);
      }
    }
    for (int64_t c = 0; c < width; ++c)
      store_element(op.dhidden, t * width + c, dhidden[static_cast<size_t>(c)]);
  }
  for (size_t i = 0; i < dhead.size(); ++i)
    store_element(op.dhead, static_cast<int64_t>(i),
                  load_element(op.dhead, static_cast<int64_t>(i)) + dhead[i]);
}

}  // namespace poro
