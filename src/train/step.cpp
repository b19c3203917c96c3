// One optimizer step on one screen. Sharding, packing and recomputation hide behind the noun they belong to.
#include <cmath>

#include "base/log.h"
#include "ops/adamw.h"
#include "ops/squared_norm.h"
#include "train/trainer.h"

namespace poro {

// Count, forward and backward over the micro-batches, reduce, clip, update, gather.
StepReport Trainer::step() {
  const std::vector<Batch> batches =
      next_batches(*data_->mixture, counters_.position, recipe_->train, *comm_);
  double count = 0;  // Over all ranks, before any loss is scaled.
  for (const Batch& batch : batches)
    count += is_preference() ? static_cast<double>(batch.pairs.size()) : batch.total_weight();
  count = comm_->sum(count);
  shards_.zero_gradients();
  LossSums sums(data_->mixture->sources().size());
  for (const Batch& batch : batches) accumulate(fitted(batch), count, sums);
  shards_.reduce();  // Each rank has the sum of the part it owns.
  StepReport result = report(sums, count, batches);
  result.grad_norm = gradient_norm();
  result.learning_rate = schedule_(counters_.step);
  result.is_skipped = !std::isfinite(result.grad_norm);
  if (!result.is_skipped) update(result.grad_norm, result.learning_rate);
  shards_.gather();
  result.step = counters_.step++;
  counters_.tokens += result.tokens;
  if (result.is_skipped) count_skip();
  return result;
}

// A loss is a coefficient per token: cross-entropy knows its own beforehand, a preference's follow from the
// log-probabilities.
void Trainer::accumulate(const Batch& batch, double count, LossSums& sums) {
  const std::vector<int32_t> targets = counted_targets(batch);
  model_.forward_training(batch.ids, batch.starts);
  if (is_preference()) {
    const std::vector<double> logp = model_.training_log_probs(targets);
    const std::vector<ReferenceSums> reference =
        reference_ ? reference_->of(batch) : std::vector<ReferenceSums>(batch.pairs.size());
    model_.backward(targets,
                    preference_coefficients(preference_options(), batch, logp, reference, count, sums),
                    gradients_);
  } else {
    const std::vector<double> logp =
        model_.backward(targets, cross_entropy_coefficients(batch, count), gradients_);
    add_cross_entropy(batch, logp, count, sums);
  }
}

double Trainer::gradient_norm() {
  double split = 0, replicated = 0;  // Matrices have parts on other ranks; norms are the same on all of them.
  const std::vector<Shards::Owned>& owned = shards_.owned();
  for (size_t i = 0; i < owned.size(); ++i)
    run(*device_,
        SquaredNorm{.x = owned[i].gradient, .sum = squared_norms_.rows(static_cast<int64_t>(i), 1)});
  std::vector<double> sums(owned.size());
  device_->copy(squared_norms_, {.data = reinterpret_cast<std::byte*>(sums.data()),
                                 .dtype = DType::kF64,
                                 .shape = squared_norms_.shape});
  for (size_t i = 0; i < owned.size(); ++i)
    (shards_.table()[static_cast<size_t>(owned[i].weight)].split_dim ? split : replicated) += sums[i];
  const TensorRanks& ranks = shards_.tensor_ranks();
  if (!shards_.counts_everything()) split = comm_->sum(split), replicated = comm_->sum(replicated);
  return std::sqrt((ranks.is_alone() ? split : ranks.comm().sum(split)) + replicated);
}

void Trainer::update(double norm, double rate) {
  const OptimizerSection& optimizer = recipe_->optimizer;
  constexpr double kClipEps = 1e-6;  // As torch's clip_grad_norm_ adds it.
  const double scale = optimizer.clip_norm > 0 ? std::min(1.0, optimizer.clip_norm / (norm + kClipEps)) : 1.0;
  counters_.skipped_in_row = 0;
  ++counters_.updates;
  for (const Shards::Owned& piece : shards_.owned()) {
    const bool decays =
        optimizer.decay_on == DecayOn::kAll || shards_.table()[static_cast<size_t>(piece.weight)].has_decay;
    // Every element of the model draws its own numbers: 2^40 of them for each weight.
    run(*device_, AdamW{.weights = piece.master,
                        .gradient = piece.gradient,
                        .first = piece.moment1,
                        .second = piece.moment2,
                        .rounded = piece.rounded,
                        .gradient_scale = scale,
                        .learning_rate = rate,
                        .beta1 = optimizer.betas[0],
                        .beta2 = optimizer.betas[1],
                        .eps = optimizer.eps,
                        .weight_decay = decays ? optimizer.weight_decay : 0.0,
                        .step = counters_.updates,
                        .seed = static_cast<uint64_t>(recipe_->train.seed),
                        .first_element = (piece.weight << 40) + piece.first});
  }
}

void Trainer::count_skip() {
  if (comm_->rank() == 0)
    warn("step {}: the gradient is not finite; the weights stay as they are", counters_.step - 1);
  if (++counters_.skipped_in_row >= kMostSkippedInRow)
    throw std::runtime_error(
        fmt::format("{} gradients in a row were not finite, the last at step {}; lower "
                    "optimizer.learning_rate, or look at the data there",
                    kMostSkippedInRow, counters_.step - 1));
}

}  // namespace poro
