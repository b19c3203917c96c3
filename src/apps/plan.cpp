// `poro plan`: what a recipe would take on a cluster, on paper.
#include <fmt/format.h>

#include <memory>

#include "apps/commands.h"
#include "apps/model_options.h"
#include "base/error.h"
#include "train/cluster_plan.h"

namespace poro {
namespace {

struct PlanOptions {
  std::string recipe, gpu = "h200", shape;
  std::vector<std::string> settings;
  int64_t nodes = 1, gpus_per_node = 8;
  std::optional<double> tokens;
  double efficiency = 0.45;
};

// The model's shape: named, or from the folder that the recipe starts with, or told by the size in a hub
// name.
LlamaConfig shape_of(const Recipe& recipe, const std::string& shape) {
  if (!shape.empty()) return LlamaConfig::named_shape(shape);
  const std::string& init = recipe.model.init;
  constexpr std::string_view kShape = "shape:";
  if (init.starts_with(kShape)) return LlamaConfig::named_shape(init.substr(kShape.size()));
  for (const char* size : {"8B", "70B"})
    if (init.find(std::string("-") + size) != init.npos)
      return LlamaConfig::named_shape(size[0] == '8' ? "poro2-8b" : "poro2-70b");
  return LlamaConfig::load(model_folder(init));
}

void run_plan(const PlanOptions& options) {
  const Recipe recipe = load_recipe(options.recipe, options.settings);
  const ClusterRequest request{.recipe = recipe,
                               .config = shape_of(recipe, options.shape),
                               .gpu = named_gpu(options.gpu),
                               .nodes = options.nodes,
                               .gpus_per_node = options.gpus_per_node,
                               .tokens = options.tokens,
                               .efficiency = options.efficiency};
  fmt::print("{}", describe(plan_cluster(request), request));
}

}  // namespace

void add_plan(CLI::App& root) {
  CLI::App* command =
      root.add_subcommand("plan", "What a recipe would take on a cluster: memory, messages, time");
  auto options = std::make_shared<PlanOptions>();
  command->add_option("recipe", options->recipe, "The recipe, a TOML file")->required();
  command
      ->add_option("--set", options->settings,
                   "A setting in place of the recipe's: section.key=value; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--gpu", options->gpu, "a100, h100, h200 or mi250x (one die)")->capture_default_str();
  command->add_option("--nodes", options->nodes, "Nodes")->check(CLI::Range(1, 100000));
  command->add_option("--gpus-per-node", options->gpus_per_node, "GPUs of a node")->check(CLI::Range(1, 64));
  command->add_option("--tokens", options->tokens, "Tokens of the whole run, where the recipe names no steps")
      ->check(CLI::PositiveNumber);
  command->add_option("--efficiency", options->efficiency, "The share of peak that computing reaches")
      ->check(CLI::Range(0.01, 1.0));
  command->add_option("--shape", options->shape,
                      "The model's shape in place of the recipe's: poro2-8b, poro2-70b, 1b");
  command->footer("Example: poro plan recipes/poro2-70b-cpt.toml --gpu h200 --nodes 16");
  command->callback([options] { run_plan(*options); });
}

}  // namespace poro
