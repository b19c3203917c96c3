// `poro data`: from raw text to a training corpus, one step at a time, each from files to a file. A table of
// steps; the work is in data/corpus.
#include "apps/data.h"

#include <fmt/format.h>

#include "apps/commands.h"
#include "apps/jsonl.h"
#include "base/error.h"
#include "base/log.h"
#include "data/corpus/clean.h"
#include "data/corpus/decontaminate.h"
#include "data/corpus/deduplicate.h"
#include "data/corpus/filter.h"
#include "data/corpus/split.h"
#include "eval/eval_data.h"

namespace poro {
namespace {

// The options of every step; each declares its own.
struct DataOptions {
  std::vector<std::string> inputs, tests;
  std::string out, removed, held_out;
  int threads = 0;
  FilterOptions filter;
  bool has_language_check = true;
  double min_similarity = 0.75;
  DecontaminateOptions decontaminate;
  SplitStep::Options split;
};

struct StepCommand {
  const char* name;
  const char* what;
  const char* example;
  void (*declare)(CLI::App& command, DataOptions& options);
  std::unique_ptr<DataStep> (*make)(DataOptions& options);
};

void declare_filter(CLI::App& command, DataOptions& options) {
  FilterOptions& filter = options.filter;
  command.add_option("--identifier", filter.identifier,
                     "fastText's lid.176.ftz; without it, the one that tools/install-eval-data fetched");
  command.add_option("--language", filter.language,
                     "What every document should be: fi, en; else what its \"lang\" says");
  command.add_option("--min-probability", filter.min_probability, "Of the language")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_flag("!--no-language", options.has_language_check, "Do not look at the language");
  command.add_option("--min-words", filter.min_words, "In a document")->capture_default_str();
  command.add_option("--max-words", filter.max_words, "In a document")->capture_default_str();
  command.add_option("--max-word-length", filter.max_word_length, "Mean; Finnish wants 14")
      ->capture_default_str();
  command.add_option("--max-symbols", filter.max_symbols, "Share of characters such as <>{}[]|\\_=#")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_flag("--prose-lines", filter.has_prose_lines, "First cut out the lines that are no sentences");
  command.add_flag("!--no-repetition", filter.has_repetition, "Do not look for repetition within a document");
}

std::unique_ptr<DataStep> make_filter(DataOptions& options) {
  if (options.has_language_check && options.filter.identifier.empty())
    options.filter.identifier = eval_data_file("lid.176.ftz");
  if (!options.has_language_check) options.filter.identifier.clear();
  return std::make_unique<FilterStep>(options.filter);
}

const StepCommand kSteps[] = {
    {"clean", "One spelling of characters and gaps: NFC, no control characters, single spaces",
     "poro data clean raw.jsonl.gz --out clean.jsonl", [](CLI::App&, DataOptions&) {},
     [](DataOptions&) -> std::unique_ptr<DataStep> { return std::make_unique<CleanStep>(); }},
    {"filter", "Keep running text in its language: length, symbols, repetition, fastText",
     "poro data filter clean.jsonl --language fi --max-word-length 14 --out good.jsonl --removed bad.jsonl",
     declare_filter, make_filter},
    {"dedup", "Of equal and nearly equal documents keep the first: MinHash over word 5-grams",
     "poro data dedup a.jsonl b.jsonl --out unique.jsonl",
     [](CLI::App& command, DataOptions& options) {
       command
           .add_option("--min-similarity", options.min_similarity,
                       "From where on two are nearly equal; 1: equal ones only")
           ->check(CLI::Range(0.1, 1.0))
           ->capture_default_str();
     },
     [](DataOptions& options) -> std::unique_ptr<DataStep> {
       return std::make_unique<DeduplicateStep>(options.min_similarity);
     }},
    {"decontaminate", "Remove documents that share a run of words with test sets",
     "poro data decontaminate train.jsonl --against flores.jsonl ifeval.jsonl --out clean.jsonl --removed "
     "found.jsonl",
     [](CLI::App& command, DataOptions& options) {
       command
           .add_option("--against", options.tests,
                       "Files with the tests: JSON Lines or plain lines, .gz, .zst")
           ->required();
       command.add_option("--ngram", options.decontaminate.ngram, "Words of a run")
           ->check(CLI::Range(4, 100))
           ->capture_default_str();
     },
     [](DataOptions& options) -> std::unique_ptr<DataStep> {
       options.decontaminate.tests.assign(options.tests.begin(), options.tests.end());
       return std::make_unique<DecontaminateStep>(options.decontaminate);
     }},
    {"split", "Hold out whole documents, by a hash of what they are",
     "poro data split all.jsonl --out train.jsonl --held-out-to held-out.jsonl --held-out 0.01",
     [](CLI::App& command, DataOptions& options) {
       command.add_option("--held-out", options.split.held_out, "The share that is held out, about")
           ->check(CLI::Range(0.0, 1.0))
           ->capture_default_str();
       command.add_option("--held-out-to", options.held_out, "Where held-out documents go")->required();
       command.add_option("--seed", options.split.seed, "Another seed, another choice")
           ->capture_default_str();
     },
     [](DataOptions& options) -> std::unique_ptr<DataStep> {
       return std::make_unique<SplitStep>(options.split);
     }},
};

void run_command(const StepCommand& step, DataOptions& options) {
  const std::unique_ptr<DataStep> made = step.make(options);
  CorpusFiles files{.inputs = {options.inputs.begin(), options.inputs.end()}, .outputs = {options.out}};
  if (!options.held_out.empty()) files.outputs.emplace_back(options.held_out);
  files.removed = options.removed;
  ThreadPool pool(options.threads);
  const StepReport report = run_step(*made, files, pool);
  Json json{{"step", step.name}};
  json.update(report.to_json());
  write_json_line(json);
  inform("{}: {} of {} documents stay, {:.1f} of {:.1f} MB", step.name, report.out.documents,
         report.in.documents, static_cast<double>(report.out.bytes) / 1e6,
         static_cast<double>(report.in.bytes) / 1e6);
  for (const auto& [reason, count] : report.removed)
    inform("  {:8} {:8.1f} MB  {}", count.documents, static_cast<double>(count.bytes) / 1e6, reason);
  if (report.out.documents == 0) warn("nothing is left of {}", fmt::join(options.inputs, ", "));
}

}  // namespace

void add_data(CLI::App& root) {
  CLI::App* data = root.add_subcommand(
      "data", "Make a training corpus: clean, filter, dedup, decontaminate, split, stats");
  data->require_subcommand(1);
  for (const StepCommand& step : kSteps) {
    CLI::App* command = data->add_subcommand(step.name, step.what);
    auto options = std::make_shared<DataOptions>();
    command
        ->add_option("files", options->inputs, "JSON Lines: texts, conversations or preferences; .gz, .zst")
        ->required();
    command->add_option("--out", options->out, "The file to write; .gz and .zst compress it")->required();
    command->add_option("--removed", options->removed, "Documents that go, each with \"removed\": why");
    command->add_option("--threads", options->threads, "Threads; 0: every core")->check(CLI::Range(0, 4096));
    step.declare(*command, *options);
    command->footer(std::string("Example: ") + step.example);
    command->callback([&step, options] { run_command(step, *options); });
  }
  add_data_stats(*data);
  data->footer("Example: poro data clean raw.jsonl.gz --out clean.jsonl");
}

}  // namespace poro
