// Losses as coefficients. A loss depends on the model through the log-probabilities of the target tokens
// alone, so all that the backward pass needs is coefficient[t] = -dL/dlogp[t]. Pretraining and SFT: 1 /
// (targets of the step). Preferences: the loss of a pair is a function of four sums (policy and reference,
// chosen and rejected), and every token of an answer has the same coefficient.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/config.h"
#include "data/batch.h"

namespace poro {

enum class PreferenceLoss { kSigmoid, kIpo, kHinge, kRobust, kSimPo, kOrpo, kKto };
constexpr std::array<Choice<PreferenceLoss>, 7> choices(PreferenceLoss) {
  return {{{"sigmoid", PreferenceLoss::kSigmoid},
           {"ipo", PreferenceLoss::kIpo},
           {"hinge", PreferenceLoss::kHinge},
           {"robust", PreferenceLoss::kRobust},
           {"simpo", PreferenceLoss::kSimPo},
           {"orpo", PreferenceLoss::kOrpo},
           {"kto", PreferenceLoss::kKto}}};
}

struct PreferenceOptions {
  PreferenceLoss loss = PreferenceLoss::kSigmoid;
  double beta = 0.1;
  double label_smoothing = 0;  // sigmoid and robust: the share of pairs whose labels are taken to be swapped
  double margin = 0.5;         // simpo: gamma, added to the difference that is asked for
  double lambda = 0.1;         // orpo: the weight of the odds ratio beside the likelihood
};

// Whether the loss compares with a reference model.
bool needs_reference(PreferenceLoss loss);

// What is known of one answer.
struct Answer {
  double logp = 0;       // The sum over its tokens, by the model in training
  double reference = 0;  // The same by the reference model; 0 where none is needed
  double tokens = 1;
};

// The loss of one pair and its derivatives by the two sums.
struct PairLoss {
  double value = 0;
  double d_chosen = 0, d_rejected = 0;
};

// kto compares each answer with how far the model has moved from the reference elsewhere: log-ratios over the
// micro-batch, of the rejected answers for a chosen one and the other way round, held fixed and at least 0.
struct KtoBaseline {
  double for_chosen = 0, for_rejected = 0;
};
KtoBaseline kto_baseline(std::span<const std::pair<Answer, Answer>> pairs);

PairLoss pair_loss(const PreferenceOptions& options, const Answer& chosen, const Answer& rejected,
                   const KtoBaseline& baseline);

// What one micro-batch adds to the step's numbers; sums, to be divided by the step's totals.
struct LossSums {
  double loss = 0;                                                // Already a share of the step's mean
  double rewards_chosen = 0, rewards_rejected = 0, accuracy = 0;  // Over pairs
  double logps_chosen = 0, logps_rejected = 0;
  std::vector<double> source_loss, source_count;  // By source: sums over targets (or pairs), and how many

  explicit LossSums(size_t sources) : source_loss(sources), source_count(sources) {}
};

// Mean cross-entropy over `num_targets` counted targets, of which this batch has some.
std::vector<double> cross_entropy_coefficients(const Batch& batch, double num_targets);
void add_cross_entropy(const Batch& batch, std::span<const double> logp, double num_targets, LossSums& sums);

// Mean preference loss over `num_pairs` pairs. `reference` holds the reference's sums, two for each pair of
// the batch.
struct ReferenceSums {
  double chosen = 0, rejected = 0;
};
std::vector<double> preference_coefficients(const PreferenceOptions& options, const Batch& batch,
                                            std::span<const double> logp,
                                            std::span<const ReferenceSums> reference, double num_pairs,
                                            LossSums& sums);

// The sum of the answer's log-probabilities in a range of a batch.
double answer_logp(const Batch& batch, const TokenRange& range, std::span<const double> logp);

}  // namespace poro
