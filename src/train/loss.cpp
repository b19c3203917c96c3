#include "train/loss.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace poro {
namespace {

double sigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}
// log(sigmoid(x)) without overflow.
double log_sigmoid(double x) {
  return std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x)));
}

double log_ratio(const Answer& answer) {
  return answer.logp - answer.reference;
}

// A loss of the difference of log-ratios h: value and derivative by h.
struct Slope {
  double value, derivative;
};

PairLoss by_difference(const Slope& slope) {
  return {.value = slope.value, .d_chosen = slope.derivative, .d_rejected = -slope.derivative};
}

// Rafailov et al., Direct preference optimization, 2023; label smoothing: Mitchell, A note on DPO with noisy
// preferences, 2023.
PairLoss dpo(const PreferenceOptions& o, double h) {
  const double z = o.beta * h, e = o.label_smoothing;
  return by_difference({.value = -(1 - e) * log_sigmoid(z) - e * log_sigmoid(-z),
                        .derivative = o.beta * (-(1 - e) * sigmoid(-z) + e * sigmoid(z))});
}

// Chowdhury et al., Provably robust DPO, 2024.
PairLoss robust(const PreferenceOptions& o, double h) {
  const double z = o.beta * h, e = o.label_smoothing, scale = 1 / (1 - 2 * e);
  return by_difference({.value = scale * (-(1 - e) * log_sigmoid(z) + e * log_sigmoid(-z)),
                        .derivative = scale * o.beta * (-(1 - e) * sigmoid(-z) - e * sigmoid(z))});
}

// Zhao et al., SLiC-HF, 2023; Liu et al., Statistical rejection sampling, 2024.
PairLoss hinge(const PreferenceOptions& o, double h) {
  const double gap = 1 - o.beta * h;
  return by_difference({.value = std::max(gap, 0.0), .derivative = gap > 0 ? -o.beta : 0});
}

// Azar et al., A general theoretical paradigm, 2023; over means of tokens, as its authors advise for answers
// of uneven length.
PairLoss ipo(const PreferenceOptions& o, const Answer& chosen, const Answer& rejected) {
  const double gap =
      log_ratio(chosen) / chosen.tokens - log_ratio(rejected) / rejected.tokens - 1 / (2 * o.beta);
  return {.value = gap * gap, .d_chosen = 2 * gap / chosen.tokens, .d_rejected = -2 * gap / rejected.tokens};
}

// Meng et al., SimPO, 2024.
PairLoss simpo(const PreferenceOptions& o, const Answer& chosen, const Answer& rejected) {
  const double z = o.beta * (chosen.logp / chosen.tokens - rejected.logp / rejected.tokens) - o.margin;
  const double slope = -o.beta * sigmoid(-z);
  return {
      .value = -log_sigmoid(z), .d_chosen = slope / chosen.tokens, .d_rejected = -slope / rejected.tokens};
}

// Hong et al., ORPO, 2024: the chosen answer's mean negative log-likelihood, and the log of the odds ratio of
// the two means.
PairLoss orpo(const PreferenceOptions& o, const Answer& chosen, const Answer& rejected) {
  // A mean of exactly 0 would have infinite odds; the least step below it stands for it.
  const auto mean = [](const Answer& answer) { return std::min(answer.logp / answer.tokens, -1e-12); };
  const auto log_odds = [](double logp) { return logp - std::log(-std::expm1(logp)); };
  const auto d_log_odds = [](double logp) { return 1 / -std::expm1(logp); };
  const double c = mean(chosen), r = mean(rejected), z = log_odds(c) - log_odds(r);
  const double slope = -o.lambda * sigmoid(-z);
  return {.value = -c - o.lambda * log_sigmoid(z),
          .d_chosen = (-1 + slope * d_log_odds(c)) / chosen.tokens,
          .d_rejected = -slope * d_log_odds(r) / rejected.tokens};
}

// Ethayarajh et al., KTO, 2024, with the two answers of a pair as its desirable and undesirable examples.
PairLoss kto(const PreferenceOptions& o, const Answer& chosen, const Answer& rejected,
             const KtoBaseline& baseline) {
  const double good = sigmoid(o.beta * (log_ratio(chosen) - baseline.for_chosen));
  const double bad = sigmoid(o.beta * (baseline.for_rejected - log_ratio(rejected)));
  return {.value = (1 - good) + (1 - bad),
          .d_chosen = -o.beta * good * (1 - good),
          .d_rejected = o.beta * bad * (1 - bad)};
}

double count_answer(const Batch& batch, const TokenRange& range) {
  double count = 0;
  for (int64_t t = range.begin; t < range.end; ++t)
    count += static_cast<double>(batch.weights[static_cast<size_t>(t)]);
  return count;
}

}  // namespace

bool needs_reference(PreferenceLoss loss) {
  return loss != PreferenceLoss::kSimPo && loss != PreferenceLoss::kOrpo;
}

KtoBaseline kto_baseline(std::span<const std::pair<Answer, Answer>> pairs) {
  KtoBaseline sums;
  for (const auto& [chosen, rejected] : pairs) {
    sums.for_chosen += log_ratio(rejected);
    sums.for_rejected += log_ratio(chosen);
  }
  const double count = static_cast<double>(std::max<size_t>(pairs.size(), 1));
  return {.for_chosen = std::max(0.0, sums.for_chosen / count),
          .for_rejected = std::max(0.0, sums.for_rejected / count)};
}

PairLoss pair_loss(const PreferenceOptions& options, const Answer& chosen, const Answer& rejected,
                   const KtoBaseline& baseline) {
  const double difference = log_ratio(chosen) - log_ratio(rejected);
  switch (options.loss) {
    case PreferenceLoss::kSigmoid:
      return dpo(options, difference);
    case PreferenceLoss::kRobust:
      return robust(options, difference);
    case PreferenceLoss::kHinge:
      return hinge(options, difference);
    case PreferenceLoss::kIpo:
      return ipo(options, chosen, rejected);
    case PreferenceLoss::kSimPo:
      return simpo(options, chosen, rejected);
    case PreferenceLoss::kOrpo:
      return orpo(options, chosen, rejected);
    case PreferenceLoss::kKto:
      return kto(options, chosen, rejected, baseline);
  }
  return {};
}

std::vector<double> cross_entropy_coefficients(const Batch& batch, double num_targets) {
  std::vector<double> coefficients;
  for (const float weight : batch.weights) coefficients.push_back(static_cast<double>(weight) / num_targets);
  return coefficients;
}

void add_cross_entropy(const Batch& batch, std::span<const double> logp, double num_targets, LossSums& sums) {
  for (const Batch::Sequence& sequence : batch.sequences) {
    const auto source = static_cast<size_t>(sequence.source);
    const double nll = -answer_logp(batch, sequence.tokens, logp);
    sums.loss += nll / num_targets;
    sums.source_loss[source] += nll;
    sums.source_count[source] += count_answer(batch, sequence.tokens);
  }
}

double answer_logp(const Batch& batch, const TokenRange& range, std::span<const double> logp) {
  double sum = 0;
  for (auto t = static_cast<size_t>(range.begin); t < static_cast<size_t>(range.end); ++t)
    if (batch.weights[t] != 0) sum += static_cast<double>(batch.weights[t]) * logp[t];
  return sum;
}

std::vector<double> preference_coefficients(const PreferenceOptions& options, const Batch& batch,
                                            std::span<const double> logp,
                                            std::span<const ReferenceSums> reference, double num_pairs,
                                            LossSums& sums) {
  std::vector<double> coefficients(batch.ids.size());
  std::vector<std::pair<Answer, Answer>> pairs;
  for (size_t i = 0; i < batch.pairs.size(); ++i) {
    const auto answer = [&](const TokenRange& range, double reference_logp) {
      return Answer{.logp = answer_logp(batch, range, logp),
                    .reference = reference_logp,
                    .tokens = count_answer(batch, range)};
    };
    pairs.emplace_back(answer(batch.pairs[i].chosen, reference[i].chosen),
                       answer(batch.pairs[i].rejected, reference[i].rejected));
  }
  const KtoBaseline baseline = kto_baseline(pairs);
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto& [chosen, rejected] = pairs[i];
    const PairLoss loss = pair_loss(options, chosen, rejected, baseline);
    const auto spread = [&](const TokenRange& range, double derivative) {
      for (auto t = static_cast<size_t>(range.begin); t < static_cast<size_t>(range.end); ++t)
        coefficients[t] = -derivative * static_cast<double>(batch.weights[t]) / num_pairs;
    };
    spread(batch.pairs[i].chosen, loss.d_chosen);
    spread(batch.pairs[i].rejected, loss.d_rejected);
    sums.loss += loss.value / num_pairs;
    const auto source = static_cast<size_t>(batch.pairs[i].source);
    sums.source_loss[source] += loss.value;
    sums.source_count[source] += 1;
    const bool has_reference = needs_reference(options.loss);
    const auto reward = [&](const Answer& a) {
      return options.beta * (has_reference ? log_ratio(a) : a.logp / a.tokens);
    };
    sums.rewards_chosen += reward(chosen);
    sums.rewards_rejected += reward(rejected);
    sums.accuracy += reward(chosen) > reward(rejected) ? 1 : 0;
    sums.logps_chosen += chosen.logp;
    sums.logps_rejected += rejected.logp;
  }
  return coefficients;
}

}  // namespace poro
