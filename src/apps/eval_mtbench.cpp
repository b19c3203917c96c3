// `poro eval mtbench` and `poro eval pairwise`: answers to two-turn questions, rated alone or against another
// model's.
#include "apps/eval.h"
#include "eval/tasks/mtbench_scores.h"

namespace poro {
namespace {

struct Options {
  std::string data, judgments, model, baseline;
};

std::vector<mtbench::Question> questions_of(const Options& options) {
  return options.data.empty() ? std::vector<mtbench::Question>() : mtbench::load(options.data);
}

void run_single(const Options& options) {
  const auto ratings = mtbench::read_ratings(options.judgments, options.model);
  say_broken(ratings.broken);
  print_summary(mtbench::grade(ratings, questions_of(options)));
}

void run_pairwise(const Options& options) {
  const auto comparisons =
      mtbench::read_comparisons(options.judgments, {.model_1 = options.model, .model_2 = options.baseline});
  say_broken(comparisons.broken);
  print_summary(mtbench::grade(comparisons, questions_of(options)));
}

CLI::App* add_command(CLI::App& eval, const char* name, const char* help, Options& options) {
  CLI::App* command = eval.add_subcommand(name, help);
  command->add_option("--data", options.data,
                      "The questions: FastChat's question.jsonl; gives the categories");
  command->add_option("--judgments", options.judgments, "FastChat's judgments")->required();
  command->add_option("--judged-model", options.model, "The model, where the judgments are on several");
  return command;
}

}  // namespace

void add_eval_mtbench(CLI::App& eval) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(eval, "mtbench", "A judge's ratings, 1 to 10, of answers to two-turn questions", *options);
  command->callback([options] { run_single(*options); });
}

void add_eval_pairwise(CLI::App& eval) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      eval, "pairwise", "A judge's choice between two models' answers, in both orders: adjusted win rate",
      *options);
  command->add_option("--baseline", options->baseline, "The other model, where the judgments are on several");
  command->callback([options] { run_pairwise(*options); });
}

}  // namespace poro
