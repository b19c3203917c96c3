// A recipe: everything that decides a training run. One struct for each section, each with one list of its
// fields; reading the file, --set, the resolved copy beside the run and the checks follow from these lists.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/config.h"
#include "data/pack.h"
#include "data/row_encoder.h"
#include "data/shard.h"
#include "model/llama.h"
#include "train/loss.h"
#include "train/schedule.h"

namespace poro {

enum class Stage { kCpt, kSft, kDpo };
constexpr std::array<Choice<Stage>, 3> choices(Stage) {
  return {{{"cpt", Stage::kCpt}, {"sft", Stage::kSft}, {"dpo", Stage::kDpo}}};
}

enum class Precision { kF32, kBf16 };
constexpr std::array<Choice<Precision>, 2> choices(Precision) {
  return {{{"f32", Precision::kF32}, {"bf16", Precision::kBf16}}};
}

enum class DecayOn { kMatrices, kAll };
constexpr std::array<Choice<DecayOn>, 2> choices(DecayOn) {
  return {{{"matrices", DecayOn::kMatrices}, {"all", DecayOn::kAll}}};
}

struct ModelSection {
  std::string init, reference, tokenizer;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("init", init, "A model folder, a hub name, or shape:NAME for random weights");
    visit("reference", reference, "The frozen model of dpo; empty: init");
    visit("tokenizer", tokenizer, "A folder or hub name with tokenizer and chat template; empty: init");
  }
};

struct SourceSection {
  std::string path, name;
  std::optional<double> weight, epochs;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("path", path, "JSONL: plain, .gz or .zst");
    visit("name", name, "What logs call it; default: the file's name");
    visit("weight", weight, "Its part of the mixture; default: in proportion to its size");
    visit("epochs", epochs, "How often it is read; default: train.epochs");
  }
};

struct DataSection {
  std::vector<SourceSection> sources;
  int64_t sequence_length = 4096, max_prompt_length = 0;
  PackingKind packing = PackingKind::kBestFit;
  Overlong overlong = Overlong::kCut;
  LossOn loss_on = LossOn::kAssistant;
  BeginToken begin_token = BeginToken::kOnce;
  EndToken end_token = EndToken::kTexts;
  Malformed malformed = Malformed::kStop;
  bool shuffle = true;
  std::string cache;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("sources", sources, "Where the rows come from");
    visit("sequence_length", sequence_length, "The most tokens of a sequence");
    visit("max_prompt_length", max_prompt_length, "dpo: the last tokens of a prompt that are kept; 0: all");
    visit("packing", packing, "none, concat, or best-fit");
    visit("overlong", overlong, "Rows over the length: cut or drop");
    visit("loss_on", loss_on, "assistant or all");
    visit("begin_token", begin_token, "Begin-of-text tokens before a row: once, twice, none");
    visit("end_token", end_token, "The end-of-text token after a row: texts, always, never");
    visit("malformed", malformed, "Lines that are no row: stop or skip");
    visit("shuffle", shuffle, "Whether the order is random");
    visit("cache", cache, "Where token shards are kept; empty: ~/.cache/poro/shards");
  }
};

struct OptimizerSection {
  double learning_rate = 5e-6;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8, weight_decay = 0;
  DecayOn decay_on = DecayOn::kMatrices;
  double clip_norm = 1;
  ScheduleKind schedule = ScheduleKind::kLinear;
  std::optional<double> warmup_ratio;
  std::optional<int64_t> warmup_steps;
  double decay_ratio = 0.1, min_learning_rate = 0;
  Precision moments = Precision::kF32, master = Precision::kF32;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("learning_rate", learning_rate, "The peak");
    visit("betas", betas, "Decay of the two moments");
    visit("eps", eps, "Added to the root of the second moment");
    visit("weight_decay", weight_decay, "Decoupled from the gradient");
    visit("decay_on", decay_on, "matrices, or all");
    visit("clip_norm", clip_norm, "The most global norm of the gradient; 0: no clipping");
    visit("schedule", schedule, "linear, cosine, constant, wsd");
    visit("warmup_ratio", warmup_ratio, "The part of the steps that warms up");
    visit("warmup_steps", warmup_steps, "The same in steps");
    visit("decay_ratio", decay_ratio, "wsd: the part of the steps that decays");
    visit("min_learning_rate", min_learning_rate, "Where the schedule ends");
    visit("moments", moments, "f32, or bf16 with stochastic rounding");
    visit("master", master,
          "Weights that are updated, and gradients: f32, or on a GPU bf16 with stochastic rounding");
  }
};

constexpr std::array<Choice<Recompute>, 3> choices(Recompute) {
  return {{{"none", Recompute::kNone}, {"selective", Recompute::kSelective}, {"full", Recompute::kFull}}};
}

struct TrainSection {
  int64_t global_batch = 128, micro_batch = 1;
  std::optional<double> epochs;
  std::optional<int64_t> steps, tokens;
  Precision precision = Precision::kBf16;
  Recompute recompute = Recompute::kNone;
  int64_t seed = 42;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("global_batch", global_batch, "Sequences (pairs for dpo) of an optimizer step, over all ranks");
    visit("micro_batch", micro_batch, "Sequences of one forward pass of one rank");
    visit("epochs", epochs, "How often the data is read");
    visit("steps", steps, "Or: optimizer steps");
    visit("tokens", tokens, "Or: tokens to read");
    visit("precision", precision, "f32 or bf16; master weights are f32");
    visit("recompute", recompute, "none, selective, full: what the backward pass computes again");
    visit("seed", seed, "Of shuffling and rounding");
  }
};

struct ParallelSection {
  int64_t zero = 0, tensor = 1;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("zero", zero,
          "What data-parallel ranks share out: 0 nothing, 1 moments, 2 gradients, 3 weights too");
    visit("tensor", tensor, "Ranks that split each matrix");
  }
};

struct DpoSection {
  double beta = 0.01;
  PreferenceLoss loss = PreferenceLoss::kSigmoid;
  double label_smoothing = 0, margin = 0.5, lambda = 0.1;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("beta", beta, "How strongly the policy is held to the reference");
    visit("loss", loss, "sigmoid, ipo, hinge, robust, simpo, orpo, kto");
    visit("label_smoothing", label_smoothing, "sigmoid, robust: the share of pairs taken to be swapped");
    visit("margin", margin, "simpo: gamma");
    visit("lambda", lambda, "orpo: the weight of the odds ratio");
  }
};

struct ValidationSection {
  std::vector<SourceSection> sources;
  int64_t every = 250, sequences = 64;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("sources", sources, "Held-out rows");
    visit("every", every, "Steps between validations; one more before the first step, and at the end");
    visit("sequences", sequences, "How many sequences (pairs) of each source are read");
  }
};

struct OutputSection {
  std::string dir;
  int64_t save_every = 500, keep_last = 3, keep_every = 0, log_every = 1;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("dir", dir, "Where everything of the run goes");
    visit("save_every", save_every, "Steps between checkpoints; 0: only at the end");
    visit("keep_last", keep_last, "Checkpoints that are kept");
    visit("keep_every", keep_every, "Checkpoints of every such step are kept for good; 0: none");
    visit("log_every", log_every, "Steps between lines for people");
  }
};

struct Recipe {
  Stage stage = Stage::kSft;
  ModelSection model;
  DataSection data;
  OptimizerSection optimizer;
  TrainSection train;
  ParallelSection parallel;
  DpoSection dpo;
  ValidationSection validation;
  OutputSection output;
  template <class Visit>
  void fields(Visit&& visit) {
    visit("stage", stage, "cpt, sft or dpo");
    visit("model", model, "");
    visit("data", data, "");
    visit("optimizer", optimizer, "");
    visit("train", train, "");
    visit("parallel", parallel, "");
    visit("dpo", dpo, "");
    visit("validation", validation, "");
    visit("output", output, "");
  }
};

// Reads a recipe and the `section.key=value` settings that replace values of it, and checks what can be
// checked without looking further. Throws Error: no file, no TOML, an unknown key (with the nearest), a value
// out of range, settings that exclude each other.
Recipe load_recipe(const std::filesystem::path& path, std::span<const std::string> settings);

// With every value written out, as output.dir/recipe.toml holds it.
std::string resolved_toml(const Recipe& recipe);

// Throws Error when the recipe cannot run on so many ranks.
void check_ranks(const Recipe& recipe, int ranks);

}  // namespace poro
