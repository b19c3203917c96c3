// `poro eval mtbench` and `poro eval pairwise`: answers to two-turn questions, rated alone or against another
// model's.
#include <algorithm>

#include "apps/eval.h"
#include "apps/eval_models.h"
#include "apps/ranks.h"
#include "base/error.h"
#include "eval/tasks/mtbench_run.h"

namespace poro {
namespace {

struct Options {
  std::string data, language = "en", language_model;
  std::string judgments, judged_model, judged_baseline;           // To score judgments made before.
  std::string answers, baseline, references, judge_prompts, out;  // To make them.
  ChatOptions model, judge;
  RunOptions run;
};

nlohmann::ordered_json settings_of(const Options& options, const char* task) {
  nlohmann::ordered_json settings = {{"task", task}, {"language", options.language}};
  const auto add = [&](const char* name, const std::string& file) {
    if (!file.empty()) settings[name] = file_identity(file);
  };
  add("data", options.data);
  add("judgments", options.judgments);
  add("answers", options.answers);
  add("baseline", options.baseline);
  add("references", options.references);
  add("judge_prompts", options.judge_prompts);
  if (options.judgments.empty() && options.language != "en")
    settings["language_model"] = file_identity(language_model(options.language_model));
  return settings;
}

// Everything a run with a judge needs, opened in the order in which it is used.
struct Setup {
  explicit Setup(const Options& options, const char* task)
      : questions(mtbench::load(options.data)),
        prompts(mtbench::read_judge_prompts(options.judge_prompts)),
        judge(options.judge, options.run) {
    nlohmann::ordered_json settings = settings_of(options, task);
    if (!options.references.empty()) references = mtbench::read_answers(options.references);
    if (options.language != "en") gate.emplace(options.language, language_model(options.language_model));
    if (options.answers.empty()) {
      model.emplace(options.model, options.run);
      settings["model"] = model->identity();
    }
    settings["judge"] = judge.identity();
    run.emplace(options.out, settings);
  }

  mtbench::Answers answers(const Options& options, nlohmann::ordered_json& counts) {
    mtbench::Asked asked =
        model ? mtbench::ask(*run, *model, model->name(), questions)
              : mtbench::Asked{.answers = mtbench::read_answers(options.answers), .failures = {}};
    if (model) model->close();
    say_broken(asked.failures);
    say_broken(asked.answers.broken);
    const size_t missing = num_missing(asked.answers);
    counts = {{"questions", asked.answers.turns.size()},
              {"missing", missing},
              {"unknown_question", asked.answers.turns.size() + missing - questions.size()},
              {"failed", asked.failures.size()},
              {"repeated", asked.answers.num_repeated},
              {"blank_lines", asked.answers.num_blank_lines},
              {"broken_lines", asked.answers.broken.size()}};
    mtbench::write_answers(run->path() / "model_answer.jsonl", asked.answers);
    return std::move(asked.answers);
  }
  size_t num_missing(const mtbench::Answers& answers) const {
    return static_cast<size_t>(std::count_if(
        questions.begin(), questions.end(),
        [&](const mtbench::Question& question) { return !answers.turns.contains(question.id); }));
  }
  mtbench::JudgeSetup judge_setup() {
    return {.judge = judge,
            .name = judge.name(),
            .prompts = prompts,
            .references = references ? &*references : nullptr,
            .gate = gate ? &*gate : nullptr};
  }

  std::vector<mtbench::Question> questions;
  mtbench::JudgePrompts prompts;
  LazyChat judge;
  std::optional<LazyChat> model;
  std::optional<mtbench::Answers> references;
  std::optional<LanguageGate> gate;
  std::optional<RunFolder> run;
};

void check_options(const Options& options, const char* task) {
  if (!options.judgments.empty()) return;
  if (options.judge.model.empty())
    fail("give --judge J, or --judgments FILE with judgments made before; see `poro eval {} --help`", task);
  if (options.data.empty() || options.judge_prompts.empty() || options.out.empty())
    fail("--judge needs --data QUESTIONS, --judge-prompts FILE and --out DIR");
  if (options.model.model.empty() == options.answers.empty())
    fail("give either --model M, which answers, or --answers FILE with answers made before");
}

// Scores judgments made before; items only where the questions are known.
template <class Judgment, class Items>
void score(const Options& options, const char* task, mtbench::Judgments<Judgment>& judgments,
           const Items& items) {
  say_broken(judgments.broken);
  const auto questions =
      options.data.empty() ? std::vector<mtbench::Question>() : mtbench::load(options.data);
  if (!questions.empty()) mtbench::keep_known(judgments, questions);
  const nlohmann::ordered_json summary = mtbench::grade(judgments, questions);
  if (!options.out.empty()) {
    if (questions.empty()) fail("--out needs --data QUESTIONS as well");
    const RunFolder run(options.out, settings_of(options, task));
    run.finish(items(questions), summary);
  }
  print_summary(summary);
}

void run_single(const Options& options) {
  check_options(options, "mtbench");
  const mtbench::Answers none{.model = {}, .turns = {}, .broken = {}};
  if (!options.judgments.empty()) {
    auto ratings = mtbench::read_ratings(options.judgments, options.judged_model);
    return score(options, "mtbench", ratings, [&](const auto& questions) {
      return mtbench::items(ratings, questions,
                            options.answers.empty() ? none : mtbench::read_answers(options.answers));
    });
  }
  Setup setup(options, "mtbench");
  nlohmann::ordered_json counts;
  const mtbench::Answers answers = setup.answers(options, counts);
  const auto ratings = mtbench::judge_single(*setup.run, setup.judge_setup(), setup.questions, answers);
  say_broken(ratings.failures);
  mtbench::write_ratings(setup.run->path() / "model_judgment.jsonl", ratings.rows);
  nlohmann::ordered_json summary = mtbench::grade(ratings, setup.questions);
  summary["language"] = options.language;
  summary["answers"] = counts;
  setup.run->finish(mtbench::items(ratings, setup.questions, answers), summary);
  print_summary(summary);
}

void run_pairwise(const Options& options) {
  check_options(options, "pairwise");
  if (!options.judgments.empty()) {
    auto comparisons = mtbench::read_comparisons(
        options.judgments, {.model_1 = options.judged_model, .model_2 = options.judged_baseline});
    return score(options, "pairwise", comparisons, [&](const auto& questions) {
      const mtbench::Answers none{.model = {}, .turns = {}, .broken = {}};
      return mtbench::items(comparisons, questions, {.model = none, .baseline = none});
    });
  }
  if (options.baseline.empty()) fail("--judge needs --baseline FILE, the other model's answers");
  Setup setup(options, "pairwise");
  nlohmann::ordered_json counts;
  const mtbench::Answers answers = setup.answers(options, counts),
                         baseline = mtbench::read_answers(options.baseline);
  say_broken(baseline.broken);
  const mtbench::Contenders contenders{.model = answers, .baseline = baseline};
  const auto comparisons = mtbench::judge_pairs(*setup.run, setup.judge_setup(), setup.questions, contenders);
  say_broken(comparisons.failures);
  mtbench::write_comparisons(setup.run->path() / "model_judgment.jsonl", comparisons.rows);
  nlohmann::ordered_json summary = mtbench::grade(comparisons, setup.questions);
  summary["language"] = options.language;
  summary["answers"] = counts;
  summary["answers"]["baseline_missing"] = setup.num_missing(baseline);
  setup.run->finish(mtbench::items(comparisons, setup.questions, contenders), summary);
  print_summary(summary);
}

CLI::App* add_command(CLI::App& eval, const char* name, const char* help, Options& options) {
  CLI::App* command = eval.add_subcommand(name, help);
  command->add_option("--data", options.data, "The questions: FastChat's question.jsonl");
  command->add_option("--lang", options.language, "The language that answers must have; for en any passes")
      ->capture_default_str();
  command->add_option("--language-model", options.language_model,
                      "A fastText language identifier; default: lid.176");
  command->add_option("--judgments", options.judgments, "Judgments made before, in FastChat's form");
  command->add_option("--judged-model", options.judged_model,
                      "The model to score, where these are on several");
  command->add_option("--answers", options.answers, "Answers made before, in FastChat's form");
  add_chat_options(*command, "model", options.model);
  add_chat_options(*command, "judge", options.judge);
  command->add_option("--judge-prompts", options.judge_prompts, "FastChat's judge_prompts.jsonl");
  command->add_option("--references", options.references, "Reference answers, in FastChat's form");
  command->add_option("--out", options.out, "A folder in which the run is kept and resumed");
  add_run_options(*command, options.run);
  return command;
}

}  // namespace

void add_eval_mtbench(CLI::App& eval) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(eval, "mtbench", "A judge's ratings, 1 to 10, of answers to two-turn questions", *options);
  command->footer(
      "Example:\n  poro eval mtbench --data question_fi.jsonl --lang fi --model M --references gpt-4o.jsonl "
      "\\\n"
      "      --judge https://api.openai.com/v1 --judge-name gpt-4o-2024-08-06 --judge-prompts "
      "judge_prompts.jsonl "
      "--out runs/mtbench-fi");
  command->callback([options] { lead_ranks(options->run.compute, [&] { run_single(*options); }); });
}

void add_eval_pairwise(CLI::App& eval) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      eval, "pairwise", "A judge's choice between two models' answers, in both orders: adjusted win rate",
      *options);
  command->add_option("--baseline", options->baseline, "The other model's answers, in FastChat's form");
  command->add_option("--judged-baseline", options->judged_baseline,
                      "The other model, where --judged-model is given");
  command->footer(
      "Example:\n  poro eval pairwise --judgments gpt-4o_pair_fi.jsonl --data question_fi.jsonl\n"
      "  poro eval pairwise --data question_fi.jsonl --lang fi --answers ours.jsonl --baseline theirs.jsonl "
      "\\\n"
      "      --judge J --judge-prompts judge_prompts.jsonl --references gpt-4o.jsonl --out runs/pairwise-fi");
  command->callback([options] { lead_ranks(options->run.compute, [&] { run_pairwise(*options); }); });
}

}  // namespace poro
