// `poro eval alpaca`: how often a judge prefers a model's answers to a baseline's, as such and at equal
// length.
#include "apps/eval.h"
#include "apps/eval_models.h"
#include "apps/ranks.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "eval/statistics.h"
#include "eval/tasks/alpaca_length.h"
#include "eval/tasks/alpaca_run.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string annotations, difficulty, weights, language = "en", language_model;
  std::string outputs, reference, judge_prompt, out;
  bool has_one_order = false;
  ChatOptions model, judge;
  RunOptions run;
};

constexpr double kNormalQuantile = 1.96;  // Of 0.975.

Interval interval(const std::vector<alpaca::Annotation>& annotations) {
  std::vector<double> values;
  for (const alpaca::Annotation& row : annotations)
    if (row.preference) values.push_back(100 * (*row.preference - 1));
  return bootstrap_interval(values);
}

Json length_control(const std::vector<alpaca::Annotation>& annotations, const Options& options) {
  const bool is_fitted = options.weights.empty();
  const std::vector<double> difficulty = alpaca::read_difficulty(
      options.difficulty, annotations, is_fitted ? alpaca::Match::kText : alpaca::Match::kPlace);
  const alpaca::LengthControl weights =
      is_fitted ? alpaca::fit_length_control(annotations, difficulty)
                : alpaca::read_weights(options.weights, annotations[0].generator_2);
  const alpaca::LengthControlled controlled = alpaca::length_controlled(weights, difficulty);
  const double half = kNormalQuantile * controlled.standard_error;
  return {
      {"headline", headline("length-controlled win rate, %", controlled.win_rate,
                            Interval{.low = controlled.win_rate - half, .high = controlled.win_rate + half})},
      {"length_controlled_winrate", controlled.win_rate},
      {"lc_standard_error", controlled.standard_error},
      {"lc_weights",
       {{"source", is_fitted ? "fitted to these annotations"
                             : std::filesystem::path(options.weights).filename().string()},
        {"length", weights.length},
        {"difficulty", weights.difficulty},
        {"model", weights.model}}}};
}

Json summary_of(const std::vector<alpaca::Annotation>& annotations, const Options& options) {
  const alpaca::Scores scores = alpaca::grade(annotations);
  const Interval win_rate_interval = interval(annotations);
  Json summary = {{"task", "alpaca"},
                  {"language", options.language},
                  {"model", annotations[0].generator_2},
                  {"baseline", annotations[0].generator_1},
                  {"judge", annotations[0].annotator},
                  {"win_rate", scores.win_rate},
                  {"standard_error", scores.standard_error},
                  {"win_rate_interval", {win_rate_interval.low, win_rate_interval.high}},
                  {"n_wins", scores.num_wins},
                  {"n_wins_base", scores.num_losses},
                  {"n_draws", scores.num_draws},
                  {"n_total", scores.num_total},
                  {"discrete_win_rate", scores.discrete_win_rate},
                  {"avg_length", scores.average_length}};
  summary["headline"] = headline("win rate, %", scores.win_rate, win_rate_interval);
  if (!options.difficulty.empty()) summary.update(length_control(annotations, options));
  summary["annotations"] = {{"without_preference", scores.num_without_preference}};
  return summary;
}

Json settings_of(const Options& options) {
  Json settings = {{"task", "alpaca"}, {"language", options.language}};
  const auto add = [&](const char* name, const std::string& file) {
    if (!file.empty()) settings[name] = file_identity(file);
  };
  add("annotations", options.annotations);
  add("outputs", options.outputs);
  add("reference", options.reference);
  add("judge_prompt", options.judge_prompt);
  add("difficulty", options.difficulty);
  add("weights", options.weights);
  return settings;
}

void score(const Options& options) {
  const alpaca::Annotations annotations = alpaca::read_annotations(options.annotations);
  Json summary = summary_of(annotations.rows, options);
  summary["annotations"]["repeated"] = annotations.num_repeated;
  if (!options.out.empty())
    RunFolder(options.out, settings_of(options)).finish(alpaca::items(annotations.rows), summary);
  print_summary(summary);
}

void judge(const Options& options) {
  const alpaca::Outputs reference = alpaca::read_outputs(options.reference);
  Json settings = settings_of(options);
  std::optional<LanguageGate> gate;
  if (options.language != "en") {
    const std::filesystem::path file = language_model(options.language_model);
    gate.emplace(options.language, file);
    settings["language_model"] = file_identity(file);
  }
  std::optional<LazyChat> model;
  if (options.outputs.empty()) {
    model.emplace(options.model, options.run);
    settings["model"] = model->identity();
  }
  LazyChat judge(options.judge, options.run);
  settings["judge"] = judge.identity();
  settings["orders"] = options.has_one_order ? 1 : 2;
  RunFolder run(options.out, settings);

  const alpaca::Asked asked =
      model ? alpaca::ask(run, *model, model->name(), reference)
            : alpaca::Asked{.outputs = alpaca::read_outputs(options.outputs), .failures = {}};
  if (model) model->close();
  say_broken(asked.failures);
  alpaca::write_outputs(run.path() / "model_outputs.json", asked.outputs.rows);
  alpaca::Pairs pairs = alpaca::pair_up(reference, asked.outputs);
  using Orders = alpaca::JudgeSetup::Orders;
  const alpaca::Judged judged =
      alpaca::judge(run,
                    {.judge = judge,
                     .name = "weighted_alpaca_eval_" + judge.name(),
                     .prompt_template = read_file(options.judge_prompt),
                     .gate = gate ? &*gate : nullptr,
                     .orders = options.has_one_order ? Orders::kSeeded : Orders::kBoth},
                    std::move(pairs.rows));
  say_broken(judged.failures);
  if (judged.num_without_odds > 0)
    warn(
        "{} times the judge gave no log-probability of \"m\" or \"M\" for its first token, so there is no "
        "preference; does its server "
        "give log-probabilities?",
        judged.num_without_odds);
  alpaca::write_annotations(run.path() / "annotations.json", judged.rows);
  Json summary = summary_of(judged.rows, options);
  summary["judge_behaviour"] = alpaca::judge_behaviour(judged);
  summary["annotations"].update({{"judge_failed", judged.failures.size()},
                                 {"judge_gave_no_odds", judged.num_without_odds},
                                 {"wrong_language", judged.num_wrong_language}});
  summary["outputs"] = {{"missing", pairs.num_missing},
                        {"unknown_instruction", pairs.num_unknown},
                        {"repeated", asked.outputs.num_repeated},
                        {"failed", asked.failures.size()}};
  run.finish(alpaca::items(judged.rows), summary);
  print_summary(summary);
}

void run(const Options& options) {
  if (!options.annotations.empty()) return score(options);
  if (options.judge.model.empty())
    fail("give --judge J, or --annotations FILE made before; see `poro eval alpaca --help`");
  if (options.reference.empty() || options.judge_prompt.empty() || options.out.empty())
    fail("--judge needs --reference FILE, --judge-prompt FILE and --out DIR");
  if (options.model.model.empty() == options.outputs.empty())
    fail("give either --model M, which answers, or --outputs FILE with answers made before");
  judge(options);
}

// The instructions' difficulty, from several models' annotations.
void run_difficulty(const std::vector<std::string>& files, const std::string& out) {
  std::vector<std::vector<alpaca::Annotation>> models;
  models.reserve(files.size());
  for (const std::string& file : files) models.push_back(alpaca::read_annotations(file).rows);
  alpaca::write_difficulty(out, models[0], alpaca::fit_difficulty(models));
}

}  // namespace

void add_eval_alpaca(CLI::App& eval) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      eval.add_subcommand("alpaca", "AlpacaEval 2: win rates against a baseline, also at equal length");
  command->add_option("--annotations", options->annotations,
                      "Annotations made before, in alpaca_eval's form");
  command->add_option("--lang", options->language, "The language that answers must have; for en any passes")
      ->capture_default_str();
  command->add_option("--language-model", options->language_model,
                      "A fastText language identifier; default: lid.176");
  command->add_option("--outputs", options->outputs, "Answers made before, in alpaca_eval's form");
  add_chat_options(*command, "model", options->model);
  command->add_option("--reference", options->reference, "The baseline's answers, in alpaca_eval's form");
  add_chat_options(*command, "judge", options->judge);
  command->add_option("--judge-prompt", options->judge_prompt, "The annotator's prompt, alpaca_eval_clf.txt");
  command->add_flag(
      "--one-order", options->has_one_order,
      "Ask the judge in alpaca_eval's order only: half the cost, and nothing known of its bias");
  command->add_option("--out", options->out, "A folder in which the run is kept and resumed");
  add_run_options(*command, options->run);
  command->add_option("--difficulty", options->difficulty,
                      "The instructions' difficulty (CSV): gives the length-controlled win rate");
  command
      ->add_option("--weights", options->weights,
                   "Weights fitted by alpaca_eval (CSV); without them they are fitted here")
      ->needs("--difficulty");
  command->footer(
      "Example:\n  poro eval alpaca --annotations annotations.json --difficulty instruction_difficulty.csv\n"
      "  poro eval alpaca --model M --reference gpt-4-turbo_fi.json --lang fi --judge URL --judge-name NAME "
      "\\\n"
      "      --judge-prompt alpaca_eval_clf.txt --difficulty instruction_difficulty.csv --out "
      "runs/alpaca-fi");
  command->callback([options] { lead_ranks(options->run.compute, [&] { run(*options); }); });
}

void add_eval_difficulty(CLI::App& eval) {
  struct Files {
    std::vector<std::string> annotations;
    std::string out;
  };
  auto files = std::make_shared<Files>();
  CLI::App* command = eval.add_subcommand(
      "difficulty", "How difficult AlpacaEval's instructions are, from the annotations of several models");
  command->add_option("annotations", files->annotations, "alpaca_eval's annotations, one file per model")
      ->required();
  command->add_option("--out", files->out, "The table to write (CSV)")->required();
  command->footer(
      "Example:\n  poro eval difficulty a/annotations.json b/annotations.json --out difficulty.csv");
  command->callback([files] { run_difficulty(files->annotations, files->out); });
}

}  // namespace poro
