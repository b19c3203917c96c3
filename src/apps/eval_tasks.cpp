// The playbook's further tables under `poro eval`: questions by likelihood (arc, hellaswag, mmlu,
// truthfulqa), gsm8k, translation, multi-if, perplexity and fertility. HumanEval is left out: running a
// model's code takes a sandbox that this program does not bring.
#include "apps/eval.h"
#include "apps/eval_models.h"
#include "apps/ranks.h"
#include "base/error.h"
#include "base/file.h"
#include "eval/likelihood.h"
#include "eval/run_folder.h"
#include "eval/tasks/choice.h"
#include "eval/tasks/corpus_measures.h"
#include "eval/tasks/gsm8k.h"
#include "eval/tasks/multi_if.h"
#include "eval/tasks/translation.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string data, language = "en", out;
  std::string examples, preface, source = "en", target = "fi", set;
  std::optional<size_t> num_examples;
  bool is_chat = false;
  ChatOptions model;
  RunOptions run;
};

Json settings_of(const Options& options, const std::string& task) {
  Json settings = {{"task", task}, {"language", options.language}, {"data", file_identity(options.data)}};
  if (!options.examples.empty()) settings["example_pool"] = file_identity(options.examples);
  if (!options.preface.empty()) settings["preface"] = file_identity(options.preface);
  return settings;
}

void finish(const RunFolder& folder, const Options& options, const std::string& model,
            const std::vector<RunItem>& items, Json summary) {
  summary["model"] = model;
  summary["language"] = options.language;
  folder.finish(items, summary);
  print_summary(summary);
}

// A model that scores text, opened when the first score is asked for.
class LazyLikelihood {
 public:
  explicit LazyLikelihood(const Options& options) : options_(options.run.compute) {
    if (options.model.model.starts_with("http"))
      fail("a server tells no likelihood of given text; name a folder or a hub name with --model");
    options_.model = options.model.model;
    identity_ = model_identity(options_);
  }
  const Json& identity() const { return identity_; }
  Likelihood& open() {
    if (!likelihood_) {
      model_.emplace(open_model(options_));
      likelihood_.emplace(*model_->llama, model_->text_tokenizer(), model_->context);
    }
    return *likelihood_;
  }

 private:
  ModelOptions options_;
  Json identity_;
  std::optional<OpenModel> model_;
  std::optional<Likelihood> likelihood_;
};

void run_choice(const Options& options, const choice::Task& task) {
  const std::vector<choice::Question> questions = choice::load(task, options.data);
  const std::vector<choice::Question> pool =
      options.examples.empty() ? std::vector<choice::Question>() : choice::load(task, options.examples);
  const choice::Setup setup{.pool = pool,
                            .num_examples = options.num_examples.value_or(task.num_examples),
                            .preface = options.preface.empty() ? "" : read_file(options.preface)};
  LazyLikelihood model(options);
  Json settings = settings_of(options, task.name);
  settings["examples"] = setup.num_examples;
  settings["model"] = model.identity();
  RunFolder folder(options.out, settings);
  const choice::Result result = choice::run(
      folder, task, questions, setup, [&](const std::string& text, std::span<const std::string> answers) {
        return model.open()(text, answers);
      });
  finish(folder, options, model.identity()["name"], result.items, result.summary);
}

void run_gsm8k(const Options& options) {
  const std::vector<gsm8k::Question> questions = gsm8k::load(options.data);
  const std::vector<gsm8k::Question> pool =
      options.examples.empty() ? std::vector<gsm8k::Question>() : gsm8k::load(options.examples);
  const size_t num_examples = options.num_examples.value_or(5);
  LazyChat model(options.model, options.run);
  Json settings = settings_of(options, "gsm8k");
  settings["examples"] = num_examples;
  settings["model"] = model.identity();
  RunFolder folder(options.out, settings);
  const gsm8k::Result result = gsm8k::grade_all(
      questions, folder.replies(model, "answer", gsm8k::render(questions, pool, num_examples)));
  finish(folder, options, model.name(), result.items, result.summary);
}

void run_translation(Options options) {
  const translation::Direction direction{.source = options.source, .target = options.target};
  options.language = options.source + "-" + options.target;
  const std::vector<translation::Pair> pairs = translation::load(options.data, direction, options.set);
  std::vector<translation::Pair> examples = options.examples.empty()
                                                ? std::vector<translation::Pair>()
                                                : translation::load(options.examples, direction, "");
  const size_t num_examples = options.num_examples.value_or(examples.empty() ? 0 : 8);
  if (examples.size() < num_examples)
    fail("{} examples are asked for, and {} has {}", num_examples, options.examples, examples.size());
  examples.resize(num_examples);
  LazyChat model(options.model, options.run);
  Json settings = settings_of(options, "translation");
  settings["set"] = options.set;
  settings["examples"] = num_examples;
  settings["form"] = options.is_chat ? "chat" : "text";
  settings["model"] = model.identity();
  RunFolder folder(options.out, settings);
  using translation::Form;
  const translation::Result result = translation::grade_all(
      pairs, folder.replies(model, "translate",
                            translation::render(pairs, examples, direction,
                                                options.is_chat ? Form::kChat : Form::kText)));
  finish(folder, options, model.name(), result.items, result.summary);
}

void run_multi_if(const Options& options) {
  ifeval::Models models;
  const multi_if::Loaded loaded = multi_if::load(options.data, ifeval::language(options.language), models);
  LazyChat model(options.model, options.run);
  Json settings = settings_of(options, "multi_if");
  settings["model"] = model.identity();
  RunFolder folder(options.out, settings);
  const multi_if::Asked asked = multi_if::ask(folder, model, loaded.dialogues);
  say_broken(asked.failures);
  multi_if::Result result = multi_if::grade_all(loaded.dialogues, asked);
  result.summary["items"]["other_languages"] = loaded.num_other_languages;
  finish(folder, options, model.name(), result.items, result.summary);
}

void run_perplexity(const Options& options) {
  const std::vector<std::string> texts = corpus::load(options.data);
  LazyLikelihood model(options);
  Json settings = settings_of(options, "perplexity");
  settings["model"] = model.identity();
  RunFolder folder(options.out, settings);
  const corpus::Result result =
      corpus::perplexity(folder, texts, [&](const std::string& text) { return model.open().whole(text); });
  finish(folder, options, model.identity()["name"], result.items, result.summary);
}

void run_fertility(const Options& options) {
  const std::vector<std::string> texts = corpus::load(options.data);
  const std::filesystem::path model = model_folder(options.model.model);
  Json settings = settings_of(options, "fertility");
  settings["tokenizer"] = file_identity(model / "tokenizer.json");
  const RunFolder folder(options.out, settings);
  const corpus::Result result = corpus::fertility(Tokenizer::load(model), texts);
  finish(folder, options, model_name(options.model.model), result.items, result.summary);
}

CLI::App* add_command(CLI::App& eval, const std::string& name, const std::string& help,
                      const std::string& data, Options& options) {
  CLI::App* command = eval.add_subcommand(name, help);
  command->add_option("--data", options.data, data)->required();
  add_chat_options(*command, "model", options.model);
  command->get_option("--model")->required();
  command->add_option("--out", options.out, "A folder in which the run is kept and resumed")->required();
  add_run_options(*command, options.run);
  command->footer(fmt::format("Example:\n  poro eval {0} --data {0}.jsonl --model M --out runs/{0}", name));
  return command;
}

void add_language(CLI::App& command, Options& options) {
  command.add_option("--lang", options.language, "The language of the data, for the report")
      ->capture_default_str();
}

void add_examples(CLI::App& command, Options& options) {
  command.add_option("--examples", options.examples,
                     "Where the examples before a question come from, in the data's form");
  command.add_option("--num-examples", options.num_examples, "How many; default: as the harness has it");
}

void add_choice(CLI::App& eval, const char* help, const choice::Task& task) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(eval, task.name, help, "The questions: JSONL of the hub's rows", *options);
  add_language(*command, *options);
  add_examples(*command, *options);
  command->add_option("--preface", options->preface, "A file with the text before the examples");
  command->callback(
      [options, task] { lead_ranks(options->run.compute, [&] { run_choice(*options, task); }); });
}

}  // namespace

void add_eval_tasks(CLI::App& eval) {
  add_choice(eval, "ARC: school science, by likelihood", choice::arc());
  add_choice(eval, "HellaSwag: which ending follows, by likelihood", choice::hellaswag());
  add_choice(eval, "MMLU: 57 subjects, by likelihood", choice::mmlu());
  add_choice(eval, "TruthfulQA, mc2: the probability of true answers", choice::truthfulqa());

  auto gsm8k = std::make_shared<Options>();
  CLI::App* command = add_command(eval, "gsm8k", "GSM8K: word problems, by the number at the end",
                                  "JSONL of question, answer", *gsm8k);
  add_language(*command, *gsm8k);
  add_examples(*command, *gsm8k);
  command->callback([gsm8k] { lead_ranks(gsm8k->run.compute, [&] { run_gsm8k(*gsm8k); }); });

  auto translation = std::make_shared<Options>();
  command = add_command(eval, "translation", "Translation by BLEU and chrF++",
                        "JSONL with a column per language", *translation);
  add_examples(*command, *translation);
  command->add_option("--source", translation->source, "The language to translate from")
      ->capture_default_str();
  command->add_option("--target", translation->target, "The language to translate into")
      ->capture_default_str();
  command->add_option("--set", translation->set, "Only rows whose \"set\" is this");
  command->add_flag("--chat", translation->is_chat, "Ask as a conversation, for chat models");
  command->callback(
      [translation] { lead_ranks(translation->run.compute, [&] { run_translation(*translation); }); });

  auto multi_if = std::make_shared<Options>();
  command = add_command(eval, "multi-if", "Multi-IF: checkable instructions over three turns",
                        "The published CSV", *multi_if);
  add_language(*command, *multi_if);
  command->callback([multi_if] { lead_ranks(multi_if->run.compute, [&] { run_multi_if(*multi_if); }); });

  auto perplexity = std::make_shared<Options>();
  command = add_command(eval, "perplexity", "How well a model predicts text, per byte", "JSONL of text",
                        *perplexity);
  add_language(*command, *perplexity);
  command->callback(
      [perplexity] { lead_ranks(perplexity->run.compute, [&] { run_perplexity(*perplexity); }); });

  auto fertility = std::make_shared<Options>();
  command = add_command(eval, "fertility", "How many tokens a tokenizer makes of a word", "JSONL of text",
                        *fertility);
  add_language(*command, *fertility);
  command->callback([fertility] { lead_ranks(fertility->run.compute, [&] { run_fertility(*fertility); }); });
}

}  // namespace poro
