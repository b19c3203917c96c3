#include "eval/bleu.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "base/error.h"
#include "eval/python_text.h"

namespace poro {
namespace {

using Words = std::vector<std::string_view>;
using Ngrams = std::map<Words, int64_t>;

Ngrams ngrams(const Words& words) {
  Ngrams counts;
  for (size_t order = 1; order <= BleuCounts::kMaxOrder; ++order)
    for (size_t i = 0; i + order <= words.size(); ++i)
      ++counts[Words(words.begin() + static_cast<std::ptrdiff_t>(i),
                     words.begin() + static_cast<std::ptrdiff_t>(i + order))];
  return counts;
}

}  // namespace

BleuCounts& BleuCounts::operator+=(const BleuCounts& other) {
  for (size_t i = 0; i < kMaxOrder; ++i) {
    correct[i] += other.correct[i];
    total[i] += other.total[i];
  }
  length += other.length;
  reference_length += other.reference_length;
  return *this;
}

double BleuCounts::score() const {
  if (std::all_of(correct.begin(), correct.end(), [](int64_t count) { return count == 0; })) return 0;
  double sum = 0, smoothing = 1;
  for (size_t i = 0; i < kMaxOrder; ++i) {
    if (total[i] == 0) return 0;  // No segment is this long.
    const auto n = static_cast<double>(total[i]);
    if (correct[i] == 0) smoothing *= 2;
    sum += std::log(correct[i] == 0 ? 100 / (smoothing * n) : 100 * static_cast<double>(correct[i]) / n);
  }
  const double brevity =
      length >= reference_length
          ? 1
          : std::exp(1 - static_cast<double>(reference_length) / static_cast<double>(length));
  return brevity * std::exp(sum / kMaxOrder);
}

Bleu::Bleu() {
  rules_.emplace_back(Pattern(R"(([\{-\~\[-\` -\&\(-\+\:-\@\/]))"), " $1 ");
  rules_.emplace_back(Pattern(R"(([^0-9])([\.,]))"), "$1 $2 ");
  rules_.emplace_back(Pattern(R"(([\.,])([^0-9]))"), " $1 $2");
  rules_.emplace_back(Pattern(R"(([0-9])(-))"), "$1 $2 ");
}

std::string Bleu::tokenized(std::string_view line) const {
  std::string text(line);
  for (const auto& [from, to] :
       {std::pair{"<skipped>", ""}, std::pair{"-\n", ""}, std::pair{"\n", " "}, std::pair{"&quot;", "\""},
        std::pair{"&amp;", "&"}, std::pair{"&lt;", "<"}, std::pair{"&gt;", ">"}})
    text = python::replace(text, from, to);
  text = " " + text + " ";
  for (const auto& [pattern, replacement] : rules_) text = pattern.replaced(text, replacement);
  return fmt::format("{}", fmt::join(python::split(text), " "));
}

BleuCounts Bleu::counts(std::string_view translation, std::span<const std::string> references) const {
  CHECK(!references.empty(), "no reference");
  const auto prepared = [&](std::string_view text) {
    while (!text.empty() && python::strip(text.substr(text.size() - 1)).empty()) text.remove_suffix(1);
    return tokenized(text);
  };
  const std::string line = prepared(translation);
  const Words words = python::split(line);
  BleuCounts counts{.correct = {}, .total = {}, .length = std::ssize(words), .reference_length = -1};
  Ngrams allowed;
  std::vector<std::string> lines;
  for (const std::string& reference : references) lines.push_back(prepared(reference));
  for (const std::string& reference : lines) {
    const Words reference_words = python::split(reference);
    const int64_t length = std::ssize(reference_words), nearest = counts.reference_length;
    const int64_t distance = std::abs(length - counts.length), least = std::abs(nearest - counts.length);
    if (nearest < 0 || distance < least || (distance == least && length < nearest))
      counts.reference_length = length;
    for (const auto& [ngram, count] : ngrams(reference_words)) {
      int64_t& most = allowed[ngram];
      most = std::max(most, count);
    }
  }
  for (const auto& [ngram, count] : ngrams(words)) {
    counts.total[ngram.size() - 1] += count;
    const auto found = allowed.find(ngram);
    if (found != allowed.end()) counts.correct[ngram.size() - 1] += std::min(count, found->second);
  }
  return counts;
}

}  // namespace poro
