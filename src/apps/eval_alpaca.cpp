// `poro eval alpaca`: how often a judge prefers a model's answers to a baseline's, as such and at equal
// length.
#include "apps/eval.h"
#include "eval/statistics.h"
#include "eval/tasks/alpaca_length.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string annotations, difficulty, weights;
};

Json interval(const std::vector<alpaca::Annotation>& annotations) {
  std::vector<double> values;
  for (const alpaca::Annotation& row : annotations)
    if (row.preference) values.push_back(100 * (*row.preference - 1));
  const auto [low, high] = bootstrap_interval(values);
  return {low, high};
}

Json length_control(const std::vector<alpaca::Annotation>& annotations, const Options& options) {
  const std::vector<double> difficulty = alpaca::read_difficulty(options.difficulty, annotations);
  const bool is_fitted = options.weights.empty();
  const alpaca::LengthControl weights =
      is_fitted ? alpaca::fit_length_control(annotations, difficulty)
                : alpaca::read_weights(options.weights, annotations[0].generator_2);
  const alpaca::LengthControlled controlled = alpaca::length_controlled(weights, difficulty);
  return {{"length_controlled_winrate", controlled.win_rate},
          {"lc_standard_error", controlled.standard_error},
          {"lc_weights",
           {{"source", is_fitted ? "fitted to these annotations" : options.weights},
            {"length", weights.length},
            {"difficulty", weights.difficulty},
            {"model", weights.model}}}};
}

void run(const Options& options) {
  const std::vector<alpaca::Annotation> annotations = alpaca::read_annotations(options.annotations);
  const alpaca::Scores scores = alpaca::grade(annotations);
  Json summary = {{"task", "alpaca"},
                  {"model", annotations[0].generator_2},
                  {"baseline", annotations[0].generator_1},
                  {"judge", annotations[0].annotator},
                  {"win_rate", scores.win_rate},
                  {"standard_error", scores.standard_error},
                  {"win_rate_interval", interval(annotations)},
                  {"n_wins", scores.num_wins},
                  {"n_wins_base", scores.num_losses},
                  {"n_draws", scores.num_draws},
                  {"n_total", scores.num_total},
                  {"discrete_win_rate", scores.discrete_win_rate},
                  {"avg_length", scores.average_length}};
  if (!options.difficulty.empty()) summary.update(length_control(annotations, options));
  summary["annotations"] = {{"without_preference", scores.num_without_preference}};
  print_summary(summary);
}

}  // namespace

void add_eval_alpaca(CLI::App& eval) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      eval.add_subcommand("alpaca", "AlpacaEval 2: win rates against a baseline, also at equal length");
  command->add_option("--annotations", options->annotations, "alpaca_eval's annotations.json")->required();
  command->add_option("--difficulty", options->difficulty,
                      "The instructions' difficulty (CSV): gives the length-controlled win rate");
  command
      ->add_option("--weights", options->weights,
                   "Weights fitted by alpaca_eval (CSV); without them they are fitted here")
      ->needs("--difficulty");
  command->callback([options] { run(*options); });
}

}  // namespace poro
