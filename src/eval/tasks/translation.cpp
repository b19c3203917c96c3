#include "eval/tasks/translation.h"

#include <unicode/locid.h>

#include "base/error.h"
#include "eval/bleu.h"
#include "eval/chrf.h"
#include "eval/json_lines.h"
#include "eval/python_text.h"

namespace poro::translation {
namespace {

constexpr int64_t kAnswerTokens = 512;

// "Finnish" for "fi".
std::string language_name(const std::string& code) {
  icu::UnicodeString name;
  icu::Locale(code.c_str()).getDisplayLanguage(icu::Locale::getEnglish(), name);
  std::string text;
  return name.toUTF8String(text);
}

template <class Counts, class Score>
Interval interval_of(const std::vector<Counts>& counts, const Score& score) {
  constexpr size_t kResamples = 200;
  return bootstrap_interval(counts.size(),
                            [&](std::span<const uint32_t> drawn) {
                              Counts sum;
                              for (const uint32_t i : drawn) sum += counts[i];
                              return score(sum);
                            },
                            {.resamples = kResamples});
}

}  // namespace

std::vector<Pair> load(const std::filesystem::path& path, const Direction& direction,
                       const std::string& set) {
  std::vector<Pair> pairs;
  for (const JsonLines::Line& line : read_whole_json_lines(path).lines) {
    if (!set.empty() && line.json.value("set", nlohmann::json()) != set) continue;
    const std::string where = fmt::format("{}, line {}", path.string(), line.number);
    pairs.push_back({.source = text_member(line.json, direction.source.c_str(), where),
                     .target = text_member(line.json, direction.target.c_str(), where)});
  }
  if (pairs.empty()) fail("{} holds no sentences{}", path.string(), set.empty() ? "" : " of the set " + set);
  return pairs;
}

std::vector<ChatRequest> render(std::span<const Pair> pairs, std::span<const Pair> examples,
                                const Direction& direction, Form form) {
  const std::string source = language_name(direction.source), target = language_name(direction.target);
  const std::string order = "Translate into " + target + ". Answer with the translation alone.\n\n";
  std::vector<ChatRequest> requests;
  for (const Pair& pair : pairs) {
    ChatRequest request{.max_new_tokens = kAnswerTokens};
    for (const Pair& example : examples) {
      request.text += fmt::format("{}: {}\n{}: {}\n\n", source, example.source, target, example.target);
      request.messages.push_back({.role = "user", .content = order + example.source});
      request.messages.push_back({.role = "assistant", .content = example.target});
    }
    request.text += fmt::format("{}: {}\n{}:", source, pair.source, target);
    request.messages.push_back({.role = "user", .content = order + pair.source});
    if (form == Form::kText) {
      request.messages.clear();
      request.stop = {"\n"};
    } else {
      request.text.clear();
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

Result grade_all(std::span<const Pair> pairs, std::span<const ChatReply> replies) {
  CHECK(pairs.size() == replies.size(), "{} replies", replies.size());
  const Bleu metric;
  Result result;
  std::vector<BleuCounts> bleu;
  std::vector<ChrfCounts> chrf;
  size_t num_failed = 0, num_empty = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const bool is_answered = replies[i].status == ChatReply::Status::kAnswered;
    const std::string translation = is_answered ? std::string(python::strip(replies[i].text)) : "";
    num_failed += !is_answered;
    num_empty += is_answered && translation.empty();
    bleu.push_back(metric.counts(translation, {&pairs[i].target, 1}));
    chrf.push_back(chrf_counts(translation, {&pairs[i].target, 1}));
    result.items.push_back({.id = std::to_string(i + 1),
                            .category = {},
                            .turns = {{.prompt = pairs[i].source,
                                       .answer = is_answered ? translation : replies[i].text,
                                       .verdict = "The reference: " + pairs[i].target}},
                            .score = chrf.back().score()});
  }
  BleuCounts bleu_sum;
  ChrfCounts chrf_sum;
  for (const BleuCounts& counts : bleu) bleu_sum += counts;
  for (const ChrfCounts& counts : chrf) chrf_sum += counts;
  const Interval bleu_interval = interval_of(bleu, [](const BleuCounts& sum) { return sum.score(); });
  const Interval chrf_interval = interval_of(chrf, [](const ChrfCounts& sum) { return sum.score(); });
  result.summary = {{"task", "translation"},
                    {"sentences", pairs.size()},
                    {"headline", headline("BLEU", bleu_sum.score(), bleu_interval)},
                    {"bleu", bleu_sum.score()},
                    {"bleu_interval", {bleu_interval.low, bleu_interval.high}},
                    {"chrf++", chrf_sum.score()},
                    {"chrf++_interval", {chrf_interval.low, chrf_interval.high}},
                    {"items", {{"failed", num_failed}, {"empty", num_empty}}}};
  return result;
}

}  // namespace poro::translation
