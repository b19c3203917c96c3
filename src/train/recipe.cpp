#include "train/recipe.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/toml.h"

namespace poro {
namespace {

constexpr uint64_t kMaxRecipeBytes = uint64_t{1} << 20;

// Settings of which one says what another would: a --set of one takes the place of the others.
constexpr std::array<std::array<const char*, 4>, 2> kExclusive = {
    {{"train", "epochs", "steps", "tokens"}, {"optimizer", "warmup_ratio", "warmup_steps", ""}}};

void remove_rivals(ConfigJson& tree, const std::string& path) {
  for (const auto& [section, first, second, third] : kExclusive)
    for (const char* key : {first, second, third})
      if (path == fmt::format("{}.{}", section, key) && tree.contains(section))
        for (const char* rival : {first, second, third}) tree[section].erase(rival);
}

// section.key=value, put into the tree.
void apply_setting(ConfigJson& tree, const std::string& setting) {
  const size_t equals = setting.find('=');
  if (equals == setting.npos || equals == 0) fail("--set {}: write section.key=value", setting);
  const std::string path = setting.substr(0, equals);
  remove_rivals(tree, path);
  ConfigJson* node = &tree;
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find('.', at), path.size());
    const std::string key = path.substr(at, end - at);
    if (!node->is_object())
      fail("--set {}: {} is a value, and has no keys", setting, path.substr(0, at == 0 ? 0 : at - 1));
    if (end < path.size() && !node->contains(key)) (*node)[key] = ConfigJson::object();
    node = &(*node)[key];
    at = end + 1;
  }
  *node = parse_toml_value(std::string_view(setting).substr(equals + 1));
}

template <class T>
struct Limits {
  T low, high;
};

template <class T>
void check_limits(const char* name, T value, Limits<T> limits) {
  if (!(value >= limits.low && value <= limits.high)) {
    if (limits.high == std::numeric_limits<T>::max())
      fail("{} is {}, and must be at least {}", name, value, limits.low);
    fail("{} is {}, and must lie between {} and {}", name, value, limits.low, limits.high);
  }
}

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
constexpr double kBeyond = std::numeric_limits<double>::max();

void check_sources(const char* section, const std::vector<SourceSection>& sources) {
  size_t weights = 0;
  for (size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].path.empty()) fail("{}[{}] has no path", section, i);
    if (sources[i].weight)
      ++weights, check_limits("the weight of a source", *sources[i].weight, {1e-9, kBeyond});
    if (sources[i].epochs) check_limits("the epochs of a source", *sources[i].epochs, {1e-9, kBeyond});
  }
  if (weights != 0 && weights != sources.size())
    fail("{} of {} {} have a weight; give every source one, or none", weights, sources.size(), section);
}

void check_data(const Recipe& recipe) {
  const DataSection& data = recipe.data;
  if (data.sources.empty())
    fail("data.sources is empty; name at least one file: sources = [{{ path = \"x.jsonl\" }}]");
  check_sources("data.sources", data.sources);
  check_sources("validation.sources", recipe.validation.sources);
  check_limits("data.sequence_length", data.sequence_length, {int64_t{2}, int64_t{1} << 24});
  check_limits("data.max_prompt_length", data.max_prompt_length, {int64_t{0}, int64_t{1} << 24});
  if (recipe.stage != Stage::kDpo && data.max_prompt_length > 0)
    fail("data.max_prompt_length is for stage = \"dpo\"; a row of other stages has no prompt apart");
  check_limits("validation.every", recipe.validation.every, {int64_t{1}, kMost});
  check_limits("validation.sequences", recipe.validation.sequences, {int64_t{1}, kMost});
}

void check_optimizer(const OptimizerSection& optimizer) {
  check_limits("optimizer.learning_rate", optimizer.learning_rate, {0.0, kBeyond});
  for (const double beta : optimizer.betas)
    check_limits("a value of optimizer.betas", beta, {0.0, 1.0 - 1e-12});
  check_limits("optimizer.eps", optimizer.eps, {1e-300, kBeyond});
  check_limits("optimizer.weight_decay", optimizer.weight_decay, {0.0, kBeyond});
  check_limits("optimizer.clip_norm", optimizer.clip_norm, {0.0, kBeyond});
  check_limits("optimizer.min_learning_rate", optimizer.min_learning_rate, {0.0, optimizer.learning_rate});
  check_limits("optimizer.decay_ratio", optimizer.decay_ratio, {0.0, 1.0});
  if (optimizer.warmup_ratio && optimizer.warmup_steps)
    fail("optimizer.warmup_ratio and optimizer.warmup_steps are both set; keep one");
  if (optimizer.warmup_ratio) check_limits("optimizer.warmup_ratio", *optimizer.warmup_ratio, {0.0, 1.0});
  if (optimizer.warmup_steps)
    check_limits("optimizer.warmup_steps", *optimizer.warmup_steps, {int64_t{0}, kMost});
}

void check_train(const TrainSection& train) {
  check_limits("train.global_batch", train.global_batch, {int64_t{1}, int64_t{1} << 30});
  check_limits("train.micro_batch", train.micro_batch, {int64_t{1}, int64_t{1} << 20});
  if (train.global_batch % train.micro_batch != 0)
    fail("train.global_batch = {} is no multiple of train.micro_batch = {}", train.global_batch,
         train.micro_batch);
  const int ends = (train.epochs ? 1 : 0) + (train.steps ? 1 : 0) + (train.tokens ? 1 : 0);
  if (ends > 1) fail("train.epochs, train.steps and train.tokens exclude each other; keep one");
  if (train.epochs) check_limits("train.epochs", *train.epochs, {1e-9, 1e9});
  if (train.steps) check_limits("train.steps", *train.steps, {int64_t{1}, kMost});
  if (train.tokens) check_limits("train.tokens", *train.tokens, {int64_t{1}, kMost});
}

void check_dpo(const DpoSection& dpo) {
  check_limits("dpo.beta", dpo.beta, {1e-12, kBeyond});
  check_limits("dpo.label_smoothing", dpo.label_smoothing, {0.0, 0.499999});
  const bool takes_smoothing = dpo.loss == PreferenceLoss::kSigmoid || dpo.loss == PreferenceLoss::kRobust;
  if (dpo.label_smoothing > 0 && !takes_smoothing)
    fail("dpo.label_smoothing is for the losses sigmoid and robust, not {}", choice_name(dpo.loss));
  check_limits("dpo.margin", dpo.margin, {0.0, kBeyond});
  check_limits("dpo.lambda", dpo.lambda, {0.0, kBeyond});
}

void check_recipe(const Recipe& recipe) {
  if (recipe.model.init.empty()) fail("model.init is empty; name a model folder, a hub name, or shape:NAME");
  if (recipe.output.dir.empty()) fail("output.dir is empty; name the folder that the run writes to");
  check_data(recipe);
  check_optimizer(recipe.optimizer);
  check_train(recipe.train);
  check_dpo(recipe.dpo);
  check_limits("parallel.zero", recipe.parallel.zero, {int64_t{0}, int64_t{3}});
  check_limits("parallel.tensor", recipe.parallel.tensor, {int64_t{1}, int64_t{4096}});
  check_limits("output.save_every", recipe.output.save_every, {int64_t{0}, kMost});
  check_limits("output.keep_last", recipe.output.keep_last, {int64_t{1}, kMost});
  check_limits("output.keep_every", recipe.output.keep_every, {int64_t{0}, kMost});
  check_limits("output.log_every", recipe.output.log_every, {int64_t{1}, kMost});
}

}  // namespace

Recipe load_recipe(const std::filesystem::path& path, std::span<const std::string> settings) {
  ConfigJson tree = parse_toml(read_file(path, kMaxRecipeBytes), path.string());
  for (const std::string& setting : settings) apply_setting(tree, setting);
  Recipe recipe;
  read_config(tree, path.filename().string(), recipe);
  if (!tree.contains("stage")) fail("{} does not say its stage: cpt, sft or dpo", path.string());
  try {
    check_recipe(recipe);
  } catch (const Error& error) {
    fail("{}: {}", path.string(), error.what());
  }
  if (recipe.stage == Stage::kCpt) recipe.data.loss_on = LossOn::kAll;
  if (recipe.stage == Stage::kDpo) recipe.data.packing = PackingKind::kNone;
  if (!recipe.train.epochs && !recipe.train.steps && !recipe.train.tokens) recipe.train.epochs = 1;
  return recipe;
}

std::string resolved_toml(const Recipe& recipe) {
  return to_toml(config_to_json(recipe));
}

void check_ranks(const Recipe& recipe, int ranks) {
  const int64_t tensor = recipe.parallel.tensor;
  if (ranks % tensor != 0)
    fail("{} ranks cannot be grouped by parallel.tensor = {}; start a multiple of it", ranks, tensor);
  const int64_t replicas = ranks / tensor, unit = replicas * recipe.train.micro_batch;
  if (recipe.train.global_batch % unit != 0)
    fail("train.global_batch = {} is no multiple of {} data-parallel ranks times train.micro_batch = {}",
         recipe.train.global_batch, replicas, recipe.train.micro_batch);
}

}  // namespace poro
