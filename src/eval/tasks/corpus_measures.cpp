#include "eval/tasks/corpus_measures.h"

#include <cmath>
#include <numbers>

#include "base/digest.h"
#include "base/error.h"
#include "base/progress.h"
#include "eval/json_lines.h"
#include "eval/python_text.h"

namespace poro::corpus {
namespace {

// Sums of two amounts over texts, whose ratio is the measure.
struct Ratio {
  double above = 0, below = 0;
};

Interval ratio_interval(const std::vector<Ratio>& parts, double (*measure)(double)) {
  return bootstrap_interval(parts.size(), [&](std::span<const uint32_t> drawn) {
    Ratio sum;
    for (const uint32_t i : drawn) {
      sum.above += parts[i].above;
      sum.below += parts[i].below;
    }
    return measure(sum.above / sum.below);
  });
}

// The start of a text, for people.
std::string shown(const std::string& text) {
  constexpr size_t kMaxBytes = 500;
  if (text.size() <= kMaxBytes) return text;
  size_t end = kMaxBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + " …";
}

RunItem item_of(size_t place, const std::string& text, double score) {
  return {.id = std::to_string(place + 1),
          .category = {},
          .turns = {{.prompt = shown(text), .answer = {}, .verdict = {}}},
          .score = score};
}

}  // namespace

std::vector<std::string> load(const std::filesystem::path& path) {
  std::vector<std::string> texts;
  for (const JsonLines::Line& line : read_whole_json_lines(path).lines) {
    texts.push_back(text_member(line.json, "text", fmt::format("{}, line {}", path.string(), line.number)));
    if (python::strip(texts.back()).empty())
      fail("{}, line {}: the text is empty", path.string(), line.number);
  }
  if (texts.empty()) fail("{} holds no texts", path.string());
  return texts;
}

Result perplexity(RunFolder& folder, const std::vector<std::string>& texts, const Whole& whole) {
  Result result;
  std::vector<Ratio> parts;
  Ratio sum;
  int64_t tokens = 0;
  Progress progress("perplexity", texts.size(), ProgressUnit::kItems);
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto compute = [&]() -> nlohmann::json {
      const Likelihood::Sum measured = whole(texts[i]);
      return {measured.log_prob, measured.tokens};
    };
    const nlohmann::json value = folder.value(fmt::format("text/{}/{}", i, sha256(texts[i])), compute);
    parts.push_back({.above = -value.at(0).get<double>(), .below = static_cast<double>(texts[i].size())});
    tokens += value.at(1).get<int64_t>();
    sum.above += parts.back().above;
    sum.below += parts.back().below;
    result.items.push_back(item_of(i, texts[i], parts.back().above / parts.back().below / std::numbers::ln2));
    progress.add(1);
  }
  const double per_byte = sum.above / sum.below;
  result.summary = {
      {"task", "perplexity"},
      {"texts", texts.size()},
      {"headline", headline("perplexity per byte", std::exp(per_byte),
                            ratio_interval(parts, [](double ratio) { return std::exp(ratio); }))},
      {"byte_perplexity", std::exp(per_byte)},
      {"bits_per_byte", per_byte / std::numbers::ln2},
      {"token_perplexity", std::exp(sum.above / static_cast<double>(tokens))},
      {"bytes", static_cast<int64_t>(sum.below)},
      {"tokens", tokens}};
  return result;
}

Result fertility(const Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  Result result;
  std::vector<Ratio> parts;
  Ratio sum;
  size_t bytes = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    parts.push_back({.above = static_cast<double>(tokenizer.encode(texts[i], SpecialTokens::kPlain).size()),
                     .below = static_cast<double>(python::split(texts[i]).size())});
    sum.above += parts.back().above;
    sum.below += parts.back().below;
    bytes += texts[i].size();
    result.items.push_back(item_of(i, texts[i], parts.back().above / parts.back().below));
  }
  result.summary = {{"task", "fertility"},
                    {"texts", texts.size()},
                    {"headline", headline("tokens per word", sum.above / sum.below,
                                          ratio_interval(parts, [](double ratio) { return ratio; }))},
                    {"tokens_per_word", sum.above / sum.below},
                    {"bytes_per_token", static_cast<double>(bytes) / sum.above},
                    {"tokens", static_cast<int64_t>(sum.above)},
                    {"words", static_cast<int64_t>(sum.below)}};
  return result;
}

}  // namespace poro::corpus
