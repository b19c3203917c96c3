// `poro train`: continued pretraining, SFT and DPO from a recipe.
#include <memory>
#include <optional>

#include "apps/commands.h"
#include "apps/model_options.h"
#include "apps/ranks.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "train/run.h"

namespace poro {
namespace {

constexpr std::string_view kShapePrefix = "shape:", kConfigPrefix = "config:";

struct TrainOptions {
  std::string recipe;
  std::vector<std::string> settings;
  bool resumes = false, is_dry = false;
  ModelOptions compute;
};

// A shape with the vocabulary of its tokenizer, padded so that matrices have round sizes.
void take_vocabulary(RunInput& input) {
  constexpr int64_t kGrain = 64;
  const Tokenizer tokenizer = Tokenizer::load(input.tokenizer);
  input.config.vocab_size = (tokenizer.vocab_size() + kGrain - 1) / kGrain * kGrain;
  input.config.bos_id = tokenizer.bos_id();
}

// What a model with random weights looks like: a named shape, or any config.json. Nothing for a model that is
// read.
std::optional<LlamaConfig> random_config(const std::string& init) {
  if (init.starts_with(kShapePrefix)) return LlamaConfig::named_shape(init.substr(kShapePrefix.size()));
  if (!init.starts_with(kConfigPrefix)) return std::nullopt;
  const std::string path = init.substr(kConfigPrefix.size());
  return LlamaConfig::from_json(parse_json(read_file(path, uint64_t{1} << 20), path), path);
}

// The recipe's models as folders, and the config of the one that is trained.
RunInput resolve(Recipe recipe) {
  RunInput input{.recipe = std::move(recipe), .config = {}};
  const ModelSection& model = input.recipe.model;
  const std::optional<LlamaConfig> random = random_config(model.init);
  if (!random) input.init = model_folder(model.init);
  input.tokenizer = model.tokenizer.empty() ? input.init : model_folder(model.tokenizer);
  input.config = random ? *random : LlamaConfig::load(input.init);
  if (random && !input.tokenizer.empty()) take_vocabulary(input);
  if (input.recipe.stage != Stage::kDpo || !needs_reference(input.recipe.dpo.loss)) return input;
  if (model.reference.empty() && random)
    fail("model.reference is empty, and random weights are no reference; name a model");
  input.reference = model.reference.empty() ? input.init : model_folder(model.reference);
  return input;
}

void run_train(const TrainOptions& options, Comm& world) {
  const RunInput input = resolve(load_recipe(options.recipe, options.settings));
  check_ranks(input.recipe, world.size());
  const std::unique_ptr<Device> device = open_device(
      options.compute, input.recipe.train.precision == Precision::kBf16 ? DType::kBF16 : DType::kF32);
  if (!device->is_cuda() && input.recipe.optimizer.master == Precision::kBf16)
    fail("optimizer.master = \"bf16\" is for GPUs; set optimizer.master=f32, or use --device cuda");
  if (device->is_reference() && input.recipe.train.precision == Precision::kBf16)
    fail("--device reference computes in double precision; set train.precision=f32");
  if (!options.is_dry)
    return run_training(*device, world, input, options.resumes ? Resume::kYes : Resume::kNo);
  const std::string plan = describe_plan(*device, world, input);
  if (world.rank() == 0) fmt::print("{}", plan);
}

void run_on_all_ranks(const TrainOptions& options) {
  const std::unique_ptr<Comm> world = world_comm();
  if (world->size() == 1) return run_train(options, *world);
  run_among(*world, [&] { run_train(options, *world); });
}

}  // namespace

void add_train(CLI::App& root) {
  CLI::App* command = root.add_subcommand("train", "Train a model by a recipe: pretraining, SFT or DPO");
  auto options = std::make_shared<TrainOptions>();
  command->add_option("recipe", options->recipe, "The recipe, a TOML file")->required();
  command
      ->add_option("--set", options->settings,
                   "A setting in place of the recipe's: section.key=value; may be repeated")
      ->allow_extra_args(false);
  command->add_flag("--resume", options->resumes, "Go on from the newest whole checkpoint in output.dir");
  command->add_flag("--dry-run", options->is_dry,
                    "Say what the run would do: data, steps, memory, time; train nothing");
  command->add_option("--device", options->compute.device,
                      "auto, cpu, cuda, cuda:N, or reference (slow, double precision)");
  command->add_option("--threads", options->compute.threads,
                      "Threads that compute; 0: every core this process may use");
  command->footer(
      "In output.dir: recipe.toml, metrics.jsonl, events.jsonl, checkpoints/step-N, final (a model folder), "
      "report.html\n"
      "Example: poro train recipes/poro2-8b-sft.toml --set output.dir=runs/sft --set train.micro_batch=2");
  command->callback([options] { run_on_all_ranks(*options); });
}

}  // namespace poro
