// A small training run in memory: random rows, a random model, any number of ranks as threads.
#pragma once

#include <random>

#include "base/comm.h"
#include "tests/data/token_source.h"
#include "tests/model/golden_model.h"
#include "train/trainer.h"

namespace poro {

inline LlamaConfig small_config() {
  LlamaConfig config = LlamaConfig::named_shape("tiny");
  config.vocab_size = 256;
  return config;
}

inline Recipe small_recipe(Stage stage) {
  Recipe recipe;
  recipe.stage = stage;
  recipe.data.sequence_length = 48;
  recipe.data.packing = stage == Stage::kDpo ? PackingKind::kNone : PackingKind::kBestFit;
  recipe.optimizer.learning_rate = 1e-3;
  recipe.optimizer.weight_decay = 0.1;
  recipe.optimizer.schedule = ScheduleKind::kCosine;
  recipe.train.global_batch = 8;
  recipe.train.precision = Precision::kF32;
  recipe.train.steps = 4;
  recipe.dpo.beta = 0.1;
  return recipe;
}

class SmallRun {
 public:
  SmallRun(const Recipe& recipe, const LlamaConfig& config)
      : recipe_(recipe), config_(config), device_(Device::cpu(1)) {
    std::mt19937 engine(5);
    const auto ids = [&](unsigned length) {
      std::vector<int32_t> result;
      for (unsigned i = 0; i < length; ++i) result.push_back(static_cast<int32_t>(engine() % 256));
      return result;
    };
    for (int row = 0; row < 40; ++row) {
      if (recipe.stage == Stage::kDpo)
        source_.add_pair(ids(3 + engine() % 9), ids(1 + engine() % 9), ids(1 + engine() % 9));
      else
        source_.add_row(ids(2 + engine() % 40));
    }
    source_.shard();
    weights_ = std::make_unique<Llama>(Llama::random(*device_, config, DType::kF32, 9));
    for (const NamedTensor& named : named_tensors(*weights_)) named_[named.name] = named.tensor;
    if (recipe.stage == Stage::kDpo && needs_reference(recipe.dpo.loss)) compute_reference();
  }

  TrainingData data() const {
    TrainingData data;
    data.mixture = source_.mixture(
        {.kind = recipe_.data.packing, .sequence_length = recipe_.data.sequence_length}, Order::kShuffled);
    data.steps = recipe_.train.steps.value_or(1);
    data.longest = data.mixture->sources()[0].packing->longest();
    return data;
  }
  Shards::Source source() const {
    return [this](const WeightSpec& spec) { return named_.at(spec.name); };
  }
  // Trains on so many ranks; the steps' reports as rank 0 has them, and all weights end to end.
  struct Outcome {
    std::vector<StepReport> steps;
    std::vector<float> weights;
  };
  Outcome train(int ranks) const {
    Outcome outcome;
    run_ranks(ranks, [&](Comm& comm) {
      // Each rank drives a device of its own, as each process does.
      const auto device = Device::cpu(1);
      const TrainingData data = this->data();
      const int parts = static_cast<int>(recipe_.parallel.tensor);
      const auto tensor_ranks = comm.split(comm.rank() / parts), replicas = comm.split(comm.rank() % parts);
      Trainer trainer({.device = *device,
                       .replicas = *replicas,
                       .tensor_ranks = tensor_ranks.get(),
                       .config = config_,
                       .recipe = recipe_,
                       .data = data,
                       .max_tokens = recipe_.train.micro_batch * data.longest},
                      source());
      if (reference_) trainer.set_reference(*reference_);
      while (!trainer.is_done()) {
        const StepReport report = trainer.step();
        if (comm.rank() == 0) outcome.steps.push_back(report);
      }
      for (size_t i = 0; i < trainer.shards().table().size(); ++i) {
        const Tensor whole = trainer.shards().whole_weight(static_cast<int64_t>(i));
        if (comm.rank() == 0)
          outcome.weights.insert(outcome.weights.end(), whole.as<float>(),
                                 whole.as<float>() + whole.elements());
      }
    });
    return outcome;
  }

  const Recipe& recipe() const { return recipe_; }
  const LlamaConfig& config() const { return config_; }
  Device& device() const { return *device_; }

 private:
  // Of the pairs, by other random weights.
  void compute_reference() {
    Llama frozen = Llama::random(*device_, config_, DType::kF32, 10);
    frozen.prepare_training({.max_tokens = 200});
    ScratchFolder cache;
    const auto comm = solo_comm();
    reference_ = ReferenceSumsOf::open(*data().mixture, cache.path(), "test", *comm,
                                       [&]() -> ReferenceSumsOf::LogProbs {
                                         return [&](const Batch& batch) {
                                           frozen.forward_training(batch.ids, batch.starts);
                                           return frozen.training_log_probs(batch.targets);
                                         };
                                       });
  }

  Recipe recipe_;
  LlamaConfig config_;
  std::unique_ptr<Device> device_;
  TokenSource source_;
  std::unique_ptr<Llama> weights_;
  std::optional<ReferenceSumsOf> reference_;
  std::map<std::string, Tensor> named_;
};

}  // namespace poro
