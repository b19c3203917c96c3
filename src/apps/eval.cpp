// poro eval: benchmarks, each with its own options. Every summary is one JSON object on stdout; what was
// wrong with an input is counted in it and said on stderr.
#include "apps/eval.h"

#include <fmt/format.h>

#include "apps/commands.h"
#include "base/log.h"

namespace poro {

std::string name_of_file(const std::filesystem::path& path) {
  const std::filesystem::path absolute = std::filesystem::absolute(path);
  return (absolute.parent_path().filename() / absolute.stem()).string();
}

void print_summary(const nlohmann::ordered_json& summary) {
  fmt::print("{}\n", summary.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void say_broken(const std::vector<std::string>& broken) {
  constexpr size_t kMaxLines = 10;
  for (size_t i = 0; i < std::min(broken.size(), kMaxLines); ++i) warn("{}", broken[i]);
  if (broken.size() > kMaxLines) warn("... and {} more of them", broken.size() - kMaxLines);
}

void add_eval(CLI::App& root) {
  CLI::App* eval = root.add_subcommand("eval", "Benchmarks, exact against the public scorers");
  eval->require_subcommand(1);
  eval->footer(
      "Example:\n  poro eval ifeval --data prompts_fi.jsonl --lang fi --responses answers.jsonl --out "
      "verdicts");
  add_eval_alpaca(*eval);
  add_eval_difficulty(*eval);
  add_eval_ifeval(*eval);
  add_eval_mtbench(*eval);
  add_eval_pairwise(*eval);
  add_eval_report(*eval);
  add_eval_tasks(*eval);
}

}  // namespace poro
