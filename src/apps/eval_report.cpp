// `poro eval report`: finished runs side by side, as Markdown on stdout and as one HTML file.
#include <fmt/format.h>

#include "apps/eval.h"
#include "base/file.h"
#include "base/log.h"
#include "eval/report/pages.h"

namespace poro {
namespace {

struct Options {
  std::vector<std::string> folders;
  std::string page = "report.html";
};

void run(const Options& options) {
  std::vector<report::Run> runs;
  runs.reserve(options.folders.size());
  for (const std::string& folder : options.folders) runs.push_back(report::read_run(folder));
  write_file_atomic(options.page, report::html(runs));
  inform("wrote {}", options.page);
  fmt::print("{}", report::markdown(runs));
}

}  // namespace

void add_eval_report(CLI::App& eval) {
  auto options = std::make_shared<Options>();
  CLI::App* command = eval.add_subcommand(
      "report",
      "The model card's tables from finished runs, with intervals, paired tests, charts and answers");
  command->add_option("runs", options->folders, "The run folders (--out of the benchmarks)")->required();
  command->add_option("--html", options->page, "The HTML file to write; it needs no other")
      ->capture_default_str();
  command->footer("Example:\n  poro eval report runs/*-fi runs/*-en --html report.html > report.md");
  command->callback([options] { run(*options); });
}

}  // namespace poro
