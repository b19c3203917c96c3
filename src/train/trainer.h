// Training: everything that changes during a run, and the step that changes it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/comm.h"
#include "base/device.h"
#include "model/llama.h"
#include "train/loss.h"
#include "train/recipe.h"
#include "train/reference.h"
#include "train/shards.h"
#include "train/training_data.h"

namespace poro {

// What a step did, the same on every rank.
struct StepReport {
  int64_t step = 0;  // From 0
  double loss = 0, grad_norm = 0, learning_rate = 0;
  bool is_skipped = false;               // The gradient was not finite, and the weights stayed.
  int64_t tokens = 0;                    // Read by this step
  double flops = 0;                      // Of the model: what forward and backward need at least
  double targets = 0;                    // Counted by this step: tokens, or pairs
  std::vector<double> source_loss = {};  // The mean of each source; NaN where it gave nothing
  struct Preferences {
    double rewards_chosen = 0, rewards_rejected = 0, accuracy = 0, logps_chosen = 0, logps_rejected = 0;
  };
  std::optional<Preferences> preferences = {};
};

// The numbers that change, beside weights and moments.
struct TrainerCounters {
  int64_t step = 0;            // Steps done, skipped ones included
  int64_t updates = 0;         // Steps that changed the weights
  int64_t tokens = 0;          // Read so far, by all ranks
  int64_t skipped_in_row = 0;  // Steps skipped since the last update
  MixturePosition position;
};

class Trainer {
 public:
  static constexpr int64_t kMostSkippedInRow = 3;

  // Everything given must outlive the trainer. The weights are those of `source`; `max_tokens` bounds the
  // tokens of a batch.
  struct Parts {
    Device& device;
    Comm& replicas;                // The data-parallel ranks
    Comm* tensor_ranks = nullptr;  // Those that hold the other parts of each matrix, if any
    const LlamaConfig& config;     // Of the whole model
    const Recipe& recipe;
    const TrainingData& data;
    int64_t max_tokens;
  };
  Trainer(const Parts& parts, const Shards::Source& source);

  // One optimizer step. Throws std::runtime_error when kMostSkippedInRow gradients in a row were not finite.
  StepReport step();

  // The mean loss over the held-out sequences, with the preferences' numbers for dpo. Collective.
  StepReport validate(const Mixture& held_out, const ReferenceSumsOf* reference);

  // Preferences: what the reference says. Before the first step.
  void set_reference(ReferenceSumsOf reference) { reference_ = std::move(reference); }
  // Log-probabilities of a batch's targets by the weights as they are.
  std::vector<double> log_probs(const Batch& batch);

  bool is_done() const { return counters_.step >= data_->steps; }
  const Schedule& schedule() const { return schedule_; }
  Shards& shards() { return shards_; }
  TrainerCounters& counters() { return counters_; }
  Llama& model() { return model_; }

 private:
  // The batch with as many tokens as the ranks that split matrices can share out evenly; the added ones see
  // and count nothing.
  Batch fitted(const Batch& batch) const;
  bool is_preference() const { return recipe_->stage == Stage::kDpo; }
  PreferenceOptions preference_options() const;
  // Forward and backward of one micro-batch; adds to the gradients and the sums.
  void accumulate(const Batch& batch, double count, LossSums& sums);
  double gradient_norm();
  void update(double norm, double rate);
  void count_skip();
  StepReport report(const LossSums& sums, double count, const std::vector<Batch>& batches);

  Device* device_;
  Comm* comm_;
  const Recipe* recipe_;
  const TrainingData* data_;
  LlamaConfig config_;
  Schedule schedule_;
  Shards shards_;
  Llama model_;
  LlamaGradients gradients_;
  Arena norm_arena_;
  Tensor squared_norms_;  // Of each piece of the shards
  std::optional<ReferenceSumsOf> reference_;
  TrainerCounters counters_;
};

// The targets, -1 where they do not count.
std::vector<int32_t> counted_targets(const Batch& batch);

// Floating-point operations of forward and backward over a batch: 6 for each weight of a matrix and token, 12
// for each pair of tokens that see each other, query head and element.
double model_flops(const LlamaConfig& config, const Batch& batch);

// The schedule of a recipe that runs for so many steps.
Schedule schedule_of(const OptimizerSection& optimizer, int64_t steps);

}  // namespace poro
