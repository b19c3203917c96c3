// `poro eval ifeval`: instructions that a program can check.
#include "apps/eval.h"

#include "eval/tasks/ifeval.h"

namespace poro {
namespace {

struct Options {
  std::string data, language = "en", responses, out;
};

void run(const Options& options) {
  const ifeval::Language& language = ifeval::language(options.language);
  ifeval::Models models;
  const std::vector<ifeval::Prompt> prompts = ifeval::load(options.data, language, models);
  const ifeval::Answers answers = ifeval::read_answers(options.responses);
  say_broken(answers.broken);
  const ifeval::Graded graded = ifeval::grade_all(prompts, answers, language);
  if (!options.out.empty()) ifeval::write_results(graded.results, options.out);
  print_summary(graded.summary);
}

}  // namespace

void add_eval_ifeval(CLI::App& eval) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      eval.add_subcommand("ifeval", "Instructions that a program can check: strict and loose accuracy");
  command
      ->add_option("--data", options->data, "The prompts: JSONL of key, prompt, instruction_id_list, kwargs")
      ->required();
  command->add_option("--lang", options->language, "The language of the task: en or fi")
      ->capture_default_str();
  command->add_option("--responses", options->responses, "The answers: JSONL of prompt, response")
      ->required();
  command->add_option("--out", options->out, "A folder for the verdicts, strict.jsonl and loose.jsonl");
  command->callback([options] { run(*options); });
}

}  // namespace poro
