// poro eval: benchmarks, each with its own options. What is scored comes from files; every summary is one
// JSON object on stdout, and what was wrong with an input is counted in it and said on stderr.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "base/error.h"
#include "base/log.h"
#include "eval/tasks/ifeval.h"

namespace poro {
namespace {

void print_summary(const nlohmann::ordered_json& summary) {
  fmt::print("{}\n", summary.dump(2));
}

void say_broken(const std::vector<std::string>& broken) {
  constexpr size_t kMaxLines = 10;
  for (size_t i = 0; i < std::min(broken.size(), kMaxLines); ++i) warn("{}", broken[i]);
  if (broken.size() > kMaxLines) warn("... and {} more broken lines", broken.size() - kMaxLines);
}

void add_eval_ifeval(CLI::App& eval) {
  struct Options {
    std::string data, language = "en", responses, out;
  };
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
  command->callback([options] {
    const ifeval::Language& language = ifeval::language(options->language);
    ifeval::Models models;
    const std::vector<ifeval::Prompt> prompts = ifeval::load(options->data, language, models);
    const ifeval::Answers answers = ifeval::read_answers(options->responses);
    say_broken(answers.broken);
    const ifeval::Graded graded = ifeval::grade_all(prompts, answers, language);
    if (!options->out.empty()) ifeval::write_results(graded.results, options->out);
    print_summary(graded.summary);
  });
}

}  // namespace

void add_eval(CLI::App& root) {
  CLI::App* eval = root.add_subcommand("eval", "Benchmarks, exact against the public scorers");
  eval->require_subcommand(1);
  eval->footer(
      "Example:\n  poro eval ifeval --data prompts_fi.jsonl --lang fi --responses answers.jsonl --out "
      "verdicts");
  add_eval_ifeval(*eval);
}

}  // namespace poro
