// `poro data stats`: what corpus files hold, by source and language, as a table and a picture. Several files
// are the stages of one corpus, in order: the picture shows what each step left of each source.
#include <fmt/format.h>

#include <set>

#include "apps/data.h"
#include "apps/jsonl.h"
#include "base/error.h"
#include "base/file.h"
#include "data/corpus/corpus_count.h"
#include "train/svg_chart.h"

namespace poro {
namespace {

struct StatsOptions {
  std::vector<std::string> files;
  std::string picture, markdown;
  int threads = 0;
};

std::string name_of(const CorpusKey& key) {
  const std::string source = key.source.empty() ? "(no source)" : key.source;
  return key.language.empty() ? source : source + ", " + key.language;
}

std::string table_of(const std::string& file, const CorpusCounts& counts) {
  std::string text =
      fmt::format("### {}\n\n| source | documents | MB | words |\n| --- | ---: | ---: | ---: |\n", file);
  CorpusCount total;
  const auto row = [&](const std::string& name, const CorpusCount& count) {
    text += fmt::format("| {} | {} | {:.1f} | {} |\n", name, count.documents,
                        static_cast<double>(count.bytes) / 1e6, count.words);
  };
  for (const auto& [key, count] : counts) {
    row(name_of(key), count);
    total.add(count);
  }
  row("all", total);
  return text;
}

std::string picture_of(const std::vector<CorpusCounts>& stages) {
  std::set<CorpusKey> keys;
  for (const CorpusCounts& counts : stages)
    for (const auto& [key, count] : counts) keys.insert(key);
  std::vector<Series> series;
  for (const CorpusKey& key : keys) {
    Series& curve = series.emplace_back(Series{.label = name_of(key), .points = {}});
    for (size_t stage = 0; stage < stages.size(); ++stage) {
      const auto found = stages[stage].find(key);
      const double bytes = found == stages[stage].end() ? 0 : static_cast<double>(found->second.bytes);
      curve.points.push_back({static_cast<double>(stage), bytes / 1e6});
    }
  }
  return svg_chart(series, Scale::kLinear);
}

void run_stats(const StatsOptions& options) {
  ThreadPool pool(options.threads);
  std::vector<CorpusCounts> stages;
  std::string tables;
  for (const std::string& file : options.files) {
    const CorpusCounts& counts = stages.emplace_back(count_corpus(file, pool));
    tables += (tables.empty() ? "" : "\n") + table_of(file, counts);
    for (const auto& [key, count] : counts)
      write_json_line({{"file", file},
                       {"source", key.source},
                       {"language", key.language},
                       {"documents", count.documents},
                       {"bytes", count.bytes},
                       {"words", count.words}});
  }
  if (!options.markdown.empty()) write_file_atomic(options.markdown, tables);
  if (!options.picture.empty()) write_file_atomic(options.picture, picture_of(stages));
  fmt::print(stderr, "{}", tables);
}

}  // namespace

void add_data_stats(CLI::App& data) {
  CLI::App* command = data.add_subcommand("stats", "Documents, bytes and words by source and language");
  auto options = std::make_shared<StatsOptions>();
  command->add_option("files", options->files, "JSON Lines; several are stages of one corpus, in order")
      ->required();
  command->add_option("--svg", options->picture, "A picture: megabytes of each source after each stage");
  command->add_option("--markdown", options->markdown, "The tables as a file");
  command->add_option("--threads", options->threads, "Threads; 0: every core")->check(CLI::Range(0, 4096));
  command->footer(
      "Example: poro data stats raw.jsonl filtered.jsonl unique.jsonl --svg steps.svg > counts.jsonl");
  command->callback([options] { run_stats(*options); });
}

}  // namespace poro
