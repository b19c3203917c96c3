// `poro eval ifeval`: instructions that a program can check.
#include "apps/eval.h"

#include "apps/eval_models.h"
#include "apps/ranks.h"
#include "base/error.h"
#include "base/log.h"
#include "eval/run_folder.h"
#include "eval/tasks/ifeval.h"

namespace poro {
namespace {

struct Options {
  std::string data, language = "en", responses, out;
  ChatOptions model;
  RunOptions run;
};

// The model's answers, as those of a file; failures are said and counted as missing.
ifeval::Answers ask(RunFolder& run, ChatModel& model, const std::vector<ifeval::Prompt>& prompts) {
  constexpr int64_t kAnswerTokens = 1280;
  std::vector<ChatRequest> requests;
  requests.reserve(prompts.size());
  for (const ifeval::Prompt& prompt : prompts)
    requests.push_back(
        {.messages = {{.role = "user", .content = ifeval::render(prompt)}}, .max_new_tokens = kAnswerTokens});
  const std::vector<ChatReply> replies = run.replies(model, "answer", requests);
  ifeval::Answers answers;
  for (size_t i = 0; i < replies.size(); ++i) {
    if (replies[i].status != ChatReply::Status::kAnswered) {
      answers.broken.push_back(fmt::format("prompt {}: {}", i + 1, replies[i].text));
      continue;
    }
    answers.prompts.push_back(prompts[i].text);
    answers.by_prompt[prompts[i].text] = replies[i].text;
  }
  return answers;
}

void finish(RunFolder* run, const ifeval::Answers& answers, const std::vector<ifeval::Prompt>& prompts,
            const ifeval::Language& language, const std::string& model) {
  say_broken(answers.broken);
  ifeval::Graded graded = ifeval::grade_all(prompts, answers, language);
  graded.summary["model"] = model;
  if (run != nullptr) {
    ifeval::write_results(graded.results, run->path());
    run->finish(ifeval::items(graded.results), graded.summary);
  }
  print_summary(graded.summary);
}

void run(const Options& options) {
  if (options.model.model.empty() == options.responses.empty())
    fail(
        "give either --model M, which answers, or --responses FILE with answers; see `poro eval ifeval "
        "--help`");
  const ifeval::Language& language = ifeval::language(options.language);
  ifeval::Models models;
  const std::vector<ifeval::Prompt> prompts = ifeval::load(options.data, language, models);
  nlohmann::ordered_json settings = {
      {"task", "ifeval"}, {"language", language.code}, {"data", file_identity(options.data)}};
  if (!options.responses.empty()) {
    settings["responses"] = file_identity(options.responses);
    const ifeval::Answers answers = ifeval::read_answers(options.responses);
    std::optional<RunFolder> run;
    if (!options.out.empty()) run.emplace(options.out, settings);
    return finish(run ? &*run : nullptr, answers, prompts, language, name_of_file(options.responses));
  }
  if (options.out.empty()) fail("--model needs --out DIR, the folder in which the run is kept and resumed");
  LazyChat model(options.model, options.run);
  settings["model"] = model.identity();
  RunFolder run(options.out, settings);
  finish(&run, ask(run, model, prompts), prompts, language, model.name());
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
  command->add_option("--responses", options->responses, "Answers made before: JSONL of prompt, response");
  add_chat_options(*command, "model", options->model);
  add_run_options(*command, options->run);
  command->add_option("--out", options->out,
                      "A folder for the run and its verdicts, strict.jsonl and loose.jsonl");
  command->footer(
      "Example:\n  poro eval ifeval --data prompts_fi.jsonl --lang fi --model M --out runs/ifeval-fi");
  command->callback([options] { lead_ranks(options->run.compute, [&] { run(*options); }); });
}

}  // namespace poro
