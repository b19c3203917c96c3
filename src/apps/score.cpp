// `poro score`: how likely a model finds a text, token by token, and the perplexity of it all.
#include <cmath>
#include <cstdio>
#include <iostream>
#include <numeric>

#include "apps/commands.h"
#include "apps/jsonl.h"
#include "apps/model_options.h"
#include "apps/ranks.h"
#include "base/error.h"
#include "infer/scorer.h"

namespace poro {
namespace {

// The ids of one line, and how much of it counts.
struct Text {
  std::vector<int32_t> ids = {};
  size_t first_counted = 1;          // Of ids.
  std::optional<size_t> bytes = {};  // Of the text that counts, if it came as text.
};

Text read_text(const OpenModel& model, const Json& line) {
  Fields fields(line);
  auto ids = fields.ids("ids");
  const auto text = fields.text("text"), prompt = fields.text("prompt"),
             completion = fields.text("completion");
  if ((ids ? 1 : 0) + (text ? 1 : 0) + (prompt && completion ? 1 : 0) != 1 ||
      prompt.has_value() != completion.has_value())
    fail("a line needs exactly one of \"ids\", \"text\", and \"prompt\" with \"completion\"");
  if (ids) return {.ids = std::move(*ids)};
  if (text) return {.ids = model.encode_with_bos(*text), .bytes = text->size()};
  Text result{.ids = model.encode_with_bos(*prompt), .bytes = completion->size()};
  result.first_counted = std::max<size_t>(result.ids.size(), 1);
  const std::vector<int32_t> rest = model.tokenizer->encode(*completion);
  result.ids.insert(result.ids.end(), rest.begin(), rest.end());
  return result;
}

struct Totals {
  double sum = 0;
  int64_t tokens = 0;
  std::optional<size_t> bytes = 0;  // None once a line came as ids.

  void add(const Text& text, double line_sum, size_t line_tokens) {
    sum += line_sum;
    tokens += static_cast<int64_t>(line_tokens);
    bytes = bytes && text.bytes ? std::optional(*bytes + *text.bytes) : std::nullopt;
  }

  Json summary() const {
    if (tokens == 0) fail("there is no token to take the perplexity of; a line needs at least two");
    Json json{{"perplexity", std::exp(-sum / static_cast<double>(tokens))}};
    if (bytes && *bytes > 0) json["bits_per_byte"] = -sum / std::log(2.0) / static_cast<double>(*bytes);
    json["tokens"] = tokens;
    json["logprob_sum"] = sum;
    return json;
  }
};

struct ScoreOptions {
  ModelOptions model;
  bool has_perplexity = false;
};

void run_score(const ScoreOptions& options) {
  OpenModel model = open_model(options.model);
  Scorer scorer(*model.llama, model.context);
  Totals totals;
  const auto answer = [&](const Json& line) {
    const Text text = read_text(model, line);
    std::vector<double> scores =
        options.has_perplexity ? scorer.score_in_windows(text.ids) : scorer.score(text.ids);
    scores.erase(scores.begin(),
                 scores.begin() +
                     std::min<std::ptrdiff_t>(std::ssize(scores), std::ptrdiff_t(text.first_counted) - 1));
    const double sum = std::accumulate(scores.begin(), scores.end(), 0.0);
    totals.add(text, sum, scores.size());
    return Json{{"logprobs", scores}, {"sum", sum}, {"tokens", scores.size()}};
  };
  answer_lines(std::cin, answer, [&] {
    if (options.has_perplexity) write_json_line(totals.summary());
  });
}

}  // namespace

void add_score(CLI::App& root) {
  CLI::App* command = root.add_subcommand("score", "How likely a model finds a text");
  auto options = std::make_shared<ScoreOptions>();
  add_model_option(*command, options->model);
  add_compute_options(*command, options->model);
  command->add_flag("--perplexity", options->has_perplexity,
                    "Add a line with the perplexity of all lines; texts longer than the context are read in "
                    "windows that overlap by half");
  command->footer(
      "Lines in:  {\"ids\": [...]}, {\"text\": ...}, or {\"prompt\": ..., \"completion\": ...}, of which "
      "only the completion counts\n"
      "Lines out: {\"logprobs\": [...], \"sum\": ..., \"tokens\": n}; natural logarithms; the first of ids "
      "has no entry. Text\n"
      "           and prompts get the begin-of-text token in front where the tokenizer has one\n"
      "Example: echo '{\"text\": \"Suomen pääkaupunki on Helsinki.\"}' | poro score --model "
      "LumiOpen/Llama-Poro-2-8B-Instruct");
  command->callback([options] { lead_ranks(options->model, [&] { run_score(*options); }); });
}

}  // namespace poro
