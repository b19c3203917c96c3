#include "train/trainer.h"

#include <cmath>
#include <limits>

namespace poro {
namespace {

ShardOptions shard_options(const Trainer::Parts& parts) {
  const DType master =
      parts.recipe.optimizer.master == Precision::kBf16 ? DType::kBF16 : parts.device.exact_dtype();
  return {.weights = parts.recipe.train.precision == Precision::kBf16 ? DType::kBF16 : master,
          .master = master,
          .moments = parts.recipe.optimizer.moments == Precision::kBf16 ? DType::kBF16 : master,
          .zero = parts.recipe.parallel.zero,
          .tensor_ranks = parts.tensor_ranks};
}

}  // namespace

Schedule schedule_of(const OptimizerSection& optimizer, int64_t steps) {
  const auto part = [&](double ratio) {
    return static_cast<int64_t>(std::ceil(ratio * static_cast<double>(steps) - 1e-9));
  };
  return {.kind = optimizer.schedule,
          .peak = optimizer.learning_rate,
          .floor = optimizer.min_learning_rate,
          .total_steps = steps,
          .warmup_steps = optimizer.warmup_steps.value_or(part(optimizer.warmup_ratio.value_or(0))),
          .decay_steps = part(optimizer.decay_ratio)};
}

Trainer::Trainer(const Parts& parts, const Shards::Source& source)
    : device_(&parts.device),
      comm_(&parts.replicas),
      recipe_(&parts.recipe),
      data_(&parts.data),
      config_(parts.config),
      schedule_(schedule_of(parts.recipe.optimizer, parts.data.steps)),
      shards_(parts.device, parts.replicas, parts.config, shard_options(parts)),
      model_(Llama::over(parts.device, part_of_config(parts.config, shards_.tensor_ranks().size()),
                         shards_.weights())),
      gradients_(model_.config(), shards_.gradients()),
      norm_arena_("squared norms", parts.device),
      squared_norms_(norm_arena_.tensor(DType::kF64, {std::ssize(shards_.owned())})) {
  shards_.fill(source);
  const int64_t ranks = shards_.tensor_ranks().size();
  model_.prepare_training({.max_tokens = (parts.max_tokens + ranks - 1) / ranks * ranks,
                           .recompute = parts.recipe.train.recompute,
                           .units = &shards_,
                           .tensor_ranks = parts.tensor_ranks});
  counters_.position = parts.data.mixture->start();
}

std::vector<int32_t> counted_targets(const Batch& batch) {
  std::vector<int32_t> targets = batch.targets;
  for (size_t t = 0; t < targets.size(); ++t)
    if (batch.weights[t] == 0) targets[t] = -1;
  return targets;
}

Batch Trainer::fitted(const Batch& batch) const {
  Batch result = batch;
  while (result.num_tokens() % shards_.tensor_ranks().size() != 0) {
    result.starts.push_back(static_cast<int32_t>(result.ids.size()));
    result.ids.push_back(0);
    result.targets.push_back(0);
    result.weights.push_back(0);
  }
  return result;
}

PreferenceOptions Trainer::preference_options() const {
  const DpoSection& dpo = recipe_->dpo;
  return {.loss = dpo.loss,
          .beta = dpo.beta,
          .label_smoothing = dpo.label_smoothing,
          .margin = dpo.margin,
          .lambda = dpo.lambda};
}

std::vector<double> Trainer::log_probs(const Batch& batch) {
  const Batch fit = fitted(batch);
  model_.forward_training(fit.ids, fit.starts);
  return model_.training_log_probs(counted_targets(fit));
}

double model_flops(const LlamaConfig& config, const Batch& batch) {
  double matrices = 0, pairs = 0;
  for (const WeightSpec& spec : weight_table(config))
    if (spec.has_decay) matrices += static_cast<double>(spec.shape.elements());
  // Looking rows of the embedding up costs nothing; a tied one is the head's matrix too.
  if (!config.has_tied_head) matrices -= static_cast<double>(config.vocab_size * config.hidden_size);
  for (size_t t = 0; t < batch.starts.size(); ++t) pairs += static_cast<double>(t + 1) - batch.starts[t];
  const double heads = static_cast<double>(config.num_layers * config.num_heads * config.head_dim);
  return 6 * matrices * static_cast<double>(batch.num_tokens()) + 12 * heads * pairs;
}

StepReport Trainer::report(const LossSums& sums, double count, const std::vector<Batch>& batches) {
  double tokens = 0, flops = 0;
  for (const Batch& batch : batches) {
    tokens += static_cast<double>(batch.num_tokens());
    flops += model_flops(config_, batch);
  }
  StepReport result{.loss = comm_->sum(sums.loss),
                    .tokens = static_cast<int64_t>(comm_->sum(tokens)),
                    .flops = comm_->sum(flops),
                    .targets = count};
  for (size_t i = 0; i < sums.source_loss.size(); ++i) {
    const double loss = comm_->sum(sums.source_loss[i]), of = comm_->sum(sums.source_count[i]);
    result.source_loss.push_back(of > 0 ? loss / of : std::numeric_limits<double>::quiet_NaN());
  }
  if (!is_preference()) return result;
  const auto mean = [&](double sum) { return comm_->sum(sum) / count; };
  result.preferences = {.rewards_chosen = mean(sums.rewards_chosen),
                        .rewards_rejected = mean(sums.rewards_rejected),
                        .accuracy = mean(sums.accuracy),
                        .logps_chosen = mean(sums.logps_chosen),
                        .logps_rejected = mean(sums.logps_rejected)};
  return result;
}

StepReport Trainer::validate(const Mixture& held_out, const ReferenceSumsOf* reference) {
  LossSums sums(held_out.sources().size());
  double count = 0;
  for (size_t source = 0; source < held_out.sources().size(); ++source) {
    const int64_t all = held_out.sources()[source].packing->num_sequences(), ranks = comm_->size();
    const int64_t wanted = std::min(recipe_->validation.sequences, all),
                  rounds = (wanted + ranks - 1) / ranks;
    for (int64_t round = 0; round < rounds; ++round) {
      // A rank without a sequence of its own in the last round runs one all the same, and does not count it.
      const int64_t at = round * ranks + comm_->rank();
      const Batch batch =
          held_out.batch({{.source = static_cast<int64_t>(source), .sequence = std::min(at, wanted - 1)}});
      const std::vector<double> logp = log_probs(batch);
      if (at >= wanted) continue;
      if (is_preference()) {
        const auto of_reference =
            reference != nullptr ? reference->of(batch) : std::vector<ReferenceSums>(batch.pairs.size());
        preference_coefficients(preference_options(), batch, logp, of_reference, 1, sums);
        count += static_cast<double>(batch.pairs.size());
      } else {
        add_cross_entropy(batch, logp, 1, sums);
        count += batch.total_weight();
      }
    }
  }
  count = comm_->sum(count);
  StepReport result = report(sums, count, {});
  result.loss /= count;
  result.step = counters_.step;
  return result;
}

}  // namespace poro
