#include "eval/chrf.h"

#include <map>
#include <vector>

#include "base/error.h"
#include "eval/python_text.h"

namespace poro {
namespace {

using Unit = std::u32string;
using Ngrams = std::map<Unit, int64_t>;

bool is_punctuation(char32_t c) {
  return c < 0x80 && std::string_view("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~").find(static_cast<char>(c)) !=
                         std::string_view::npos;
}

// One mark comes off each word: the last character's, or else the first's.
std::vector<Unit> words_of(std::string_view text) {
  std::vector<Unit> words;
  for (const std::string_view piece : python::split(text)) {
    const Unit word = python::characters(piece);
    if (word.size() > 1 && is_punctuation(word.back())) {
      words.push_back(word.substr(0, word.size() - 1));
      words.emplace_back(1, word.back());
    } else if (word.size() > 1 && is_punctuation(word.front())) {
      words.emplace_back(1, word.front());
      words.push_back(word.substr(1));
    } else {
      words.push_back(word);
    }
  }
  return words;
}

// The n-grams of every order: of characters without white space, then of words.
std::vector<Ngrams> all_ngrams(std::string_view text, const ChrfOptions& options) {
  Unit characters;
  for (const std::string_view piece : python::split(text)) characters += python::characters(piece);
  std::vector<Ngrams> orders;
  for (size_t n = 1; n <= ChrfCounts::kCharacterOrder; ++n) {
    Ngrams& counts = orders.emplace_back();
    for (size_t i = 0; i + n <= characters.size(); ++i) ++counts[characters.substr(i, n)];
  }
  const std::vector<Unit> words = words_of(text);
  for (size_t n = 1; n <= options.word_order; ++n) {
    Ngrams& counts = orders.emplace_back();
    for (size_t i = 0; i + n <= words.size(); ++i) {
      Unit joined = words[i];
      for (size_t j = 1; j < n; ++j) joined += U' ' + words[i + j];
      ++counts[joined];
    }
  }
  return orders;
}

}  // namespace

ChrfCounts& ChrfCounts::operator+=(const ChrfCounts& other) {
  for (size_t i = 0; i < orders.size(); ++i) {
    orders[i].translation += other.orders[i].translation;
    orders[i].reference += other.orders[i].reference;
    orders[i].matches += other.orders[i].matches;
  }
  return *this;
}

double ChrfCounts::score(const ChrfOptions& options) const {
  double precision = 0, recall = 0, num_orders = 0;
  for (const Order& order : std::span(orders).first(kCharacterOrder + options.word_order)) {
    if (order.translation == 0 || order.reference == 0) continue;
    precision += static_cast<double>(order.matches) / static_cast<double>(order.translation);
    recall += static_cast<double>(order.matches) / static_cast<double>(order.reference);
    ++num_orders;
  }
  if (precision + recall == 0) return 0;
  precision /= num_orders;
  recall /= num_orders;
  const double factor = options.beta * options.beta;
  return 100 * (1 + factor) * precision * recall / (factor * precision + recall);
}

ChrfCounts chrf_counts(std::string_view translation, std::span<const std::string> references,
                       const ChrfOptions& options) {
  CHECK(!references.empty() && options.word_order <= ChrfCounts::kMaxWordOrder, "{} references",
        references.size());
  const std::vector<Ngrams> ours = all_ngrams(translation, options);
  ChrfCounts best;
  double best_score = -1;
  for (const std::string& reference : references) {
    const std::vector<Ngrams> theirs = all_ngrams(reference, options);
    ChrfCounts counts;
    for (size_t i = 0; i < ours.size(); ++i) {
      ChrfCounts::Order& order = counts.orders[i];
      for (const auto& [ngram, count] : theirs[i]) order.reference += count;
      if (theirs[i].empty()) continue;  // Nothing to hit, so nothing counts.
      for (const auto& [ngram, count] : ours[i]) {
        order.translation += count;
        const auto found = theirs[i].find(ngram);
        if (found != theirs[i].end()) order.matches += std::min(count, found->second);
      }
    }
    if (const double score = counts.score(options); score > best_score) {
      best_score = score;
      best = counts;
    }
  }
  return best;
}

}  // namespace poro
