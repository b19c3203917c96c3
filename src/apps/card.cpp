// `poro card`: a model card (README.md for the hub) from what is known of a model: its checkpoint, the recipe
// that made it, the runs that measured it, and its licence. Nothing in it is invented; what is not given is
// left out.
#include <fmt/format.h>

#include <algorithm>

#include "apps/commands.h"
#include "apps/model_options.h"
#include "base/error.h"
#include "base/file.h"
#include "eval/report/pages.h"
#include "model/config.h"

namespace poro {
namespace {

struct Options {
  std::string model, base, recipe, licence;
  std::vector<std::string> languages = {"fi", "en"}, runs;
};

bool is_llama_licence(const std::string& licence) {
  return licence.starts_with("llama");
}

std::string front_matter(const Options& options) {
  std::string text = "---\n";
  if (!options.licence.empty()) text += "license: " + options.licence + "\n";
  text += "language:\n";
  for (const std::string& language : options.languages) text += "- " + language + "\n";
  if (!options.base.empty()) text += "base_model:\n- " + options.base + "\n";
  return text + "library_name: transformers\npipeline_tag: text-generation\n---\n\n";
}

std::string architecture(const LlamaConfig& config) {
  const auto row = [](const char* name, const auto& value) {
    return fmt::format("| {} | {} |\n", name, value);
  };
  return "## Architecture\n\nLlama, decoder only.\n\n| | |\n| --- | ---: |\n" +
         row("parameters", config.num_parameters()) + row("layers", config.num_layers) +
         row("hidden size", config.hidden_size) + row("feed-forward size", config.intermediate_size) +
         row("query heads", config.num_heads) + row("key and value heads", config.num_kv_heads) +
         row("head size", config.head_dim) + row("vocabulary", config.vocab_size) +
         row("context, tokens", config.max_positions) + row("data type", dtype_name(config.dtype)) + "\n";
}

// The tables of results: all but those on judges, inputs and folders, which belong to the report.
std::string evaluation(const std::vector<std::string>& folders) {
  std::vector<report::Run> runs;
  runs.reserve(folders.size());
  for (const std::string& folder : folders) runs.push_back(report::read_run(folder));
  std::string text = "## Evaluation\n\n";
  for (const report::Table& table : report::tables(runs))
    if (std::any_of(runs.begin(), runs.end(), [&](const report::Run& run) {
          return table.title == report::language_title(run.language);
        }))
      text += "#" + report::markdown(table) + "\n";
  return text;
}

std::string licence_text(const std::string& licence) {
  std::string text = "## Licence\n\nThe weights: " + licence + ".";
  if (is_llama_licence(licence))
    text +=
        " Built with Llama. Whoever passes the weights on passes on the Llama licence and this notice with "
        "them.";
  return text + "\n";
}

void run(const Options& options) {
  const std::filesystem::path folder = model_folder(options.model);
  const std::string name = model_name(options.model);
  std::string card = front_matter(options) + "# " + name + "\n\n";
  if (is_llama_licence(options.licence)) card += "Built with Llama.\n\n";
  if (!options.base.empty()) card += "Made from " + options.base + ".\n\n";
  card += architecture(LlamaConfig::load(folder));
  if (!options.recipe.empty()) card += "## Training\n\n```toml\n" + read_file(options.recipe) + "```\n\n";
  if (!options.runs.empty()) card += evaluation(options.runs);
  card += fmt::format("## Use\n\n```sh\nporo chat --model {}\n```\n\n", name);
  if (!options.licence.empty()) card += licence_text(options.licence);
  fmt::print("{}", card);
}

}  // namespace

void add_card(CLI::App& root) {
  CLI::App* command =
      root.add_subcommand("card", "A model card from a checkpoint, its recipe and its evaluations");
  auto options = std::make_shared<Options>();
  command->add_option("--model", options->model, "A model folder, or a hub name fetched with `poro pull`")
      ->required();
  command->add_option("--base", options->base, "The model it was made from");
  command->add_option("--recipe", options->recipe, "The recipe it was trained by (TOML)");
  command->add_option("--runs", options->runs, "Run folders of `poro eval`");
  command->add_option("--licence", options->licence,
                      "The weights' licence, as the hub spells it: llama3.3, apache-2.0");
  command->add_option("--languages", options->languages, "Its languages, ISO 639-1")->capture_default_str();
  command->footer(
      "Example:\n  poro card --model out/final --base meta-llama/Llama-3.1-8B --recipe recipe.toml --licence "
      "llama3.3 "
      "\\\n      --runs runs/*-fi runs/*-en > README.md");
  command->callback([options] { run(*options); });
}

}  // namespace poro
