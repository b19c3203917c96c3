#include "data/corpus/filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "text/unicode.h"

namespace poro {
namespace {

std::vector<std::string_view> split_at(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + separator.size(), text.size()));
  }
  return parts;
}

int64_t count_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

double symbol_share(std::string_view text) {
  constexpr std::string_view kSymbols = "<>{}[]|\\_=#@$%^~`*";
  const auto symbols =
      std::count_if(text.begin(), text.end(), [&](char c) { return kSymbols.find(c) != kSymbols.npos; });
  return static_cast<double>(symbols) / static_cast<double>(std::max<size_t>(text.size(), 1));
}

bool ends_like_a_sentence(std::string_view line) {
  for (const std::string_view end : {".", "!", "?", "\"", "”", "…", ".)", "»"})
    if (line.ends_with(end)) return !line.ends_with("...");
  return false;
}

// What all rules look at, computed once.
struct Measured {
  std::string_view text;
  std::vector<std::string> words;
  std::vector<std::string_view> lines;

  explicit Measured(std::string_view all) : text(all), words(words_of(all)), lines(split_at(all, "\n")) {}

  double mean_word_length() const {
    const int64_t total =
        std::accumulate(words.begin(), words.end(), int64_t{0},
                        [](int64_t sum, const std::string& word) { return sum + count_characters(word); });
    return static_cast<double>(total) / static_cast<double>(std::max<size_t>(words.size(), 1));
  }
  template <class Rule>
  double share_of_words(const Rule& rule) const {
    return static_cast<double>(std::count_if(words.begin(), words.end(), rule)) /
           static_cast<double>(std::max<size_t>(words.size(), 1));
  }
  template <class Rule>
  double share_of_lines(const Rule& rule) const {
    return static_cast<double>(std::count_if(lines.begin(), lines.end(), rule)) /
           static_cast<double>(std::max<size_t>(lines.size(), 1));
  }
};

bool has_letter(const std::string& word) {
  const UnicodeTables& tables = UnicodeTables::get();
  for (std::string_view rest = word; !rest.empty();) {
    const Utf8Char c = decode_utf8(rest);
    if (tables.is_letter(c.code_point)) return true;
    rest.remove_prefix(c.length);
  }
  return false;
}

bool is_bullet(std::string_view line) {
  while (line.starts_with(' ')) line.remove_prefix(1);
  return line.starts_with("- ") || line.starts_with("* ") || line.starts_with("•") || line.starts_with("● ");
}

// Shares of lines or paragraphs that came before, and of their characters. Gopher: 30 % and 20 %.
bool repeats_parts(std::string_view text, std::string_view separator) {
  const std::vector<std::string_view> parts = split_at(text, separator);
  std::unordered_set<std::string_view> seen;
  size_t repeated = 0, characters = 0;
  for (const std::string_view part : parts)
    if (!seen.insert(part).second) ++repeated, characters += part.size();
  return 10 * repeated > 3 * parts.size() || 5 * characters > text.size();
}

// Words as hashes, with their sizes in characters.
struct HashedWords {
  std::vector<uint64_t> words;
  std::vector<int64_t> sizes;
  int64_t total = 0;

  explicit HashedWords(const std::vector<std::string>& text) {
    for (const std::string& word : text) {
      words.push_back(hash_bytes(word));
      sizes.push_back(count_characters(word));
      total += sizes.back();
    }
  }
  int64_t size_of(size_t begin, size_t count) const {
    return std::accumulate(sizes.begin() + static_cast<std::ptrdiff_t>(begin),
                           sizes.begin() + static_cast<std::ptrdiff_t>(begin + count), int64_t{0});
  }
};

// N-grams with their places, equal ones side by side in the order of the text.
std::vector<std::pair<uint64_t, uint32_t>> sorted_ngrams(const std::vector<uint64_t>& words, size_t n) {
  std::vector<std::pair<uint64_t, uint32_t>> ngrams;
  for (size_t i = 0; i + n <= words.size(); ++i) {
    uint64_t hash = n;
    for (size_t k = 0; k < n; ++k) hash = mix_hash(hash ^ words[i + k]);
    ngrams.emplace_back(hash, static_cast<uint32_t>(i));
  }
  std::sort(ngrams.begin(), ngrams.end());
  return ngrams;
}

// The share of the words' characters in the most frequent n-gram.
double top_ngram_share(const HashedWords& text, size_t n) {
  const auto ngrams = sorted_ngrams(text.words, n);
  int64_t best = 0;
  for (size_t begin = 0, end = 0; begin < ngrams.size(); begin = end) {
    while (end < ngrams.size() && ngrams[end].first == ngrams[begin].first) ++end;
    if (end - begin > 1)
      best = std::max(best, static_cast<int64_t>(end - begin) * text.size_of(ngrams[begin].second, n));
  }
  return static_cast<double>(best) / static_cast<double>(std::max<int64_t>(text.total, 1));
}

// The share of the words' characters in n-grams that came before; none counts twice.
double repeated_ngram_share(const HashedWords& text, size_t n) {
  const auto ngrams = sorted_ngrams(text.words, n);
  std::vector<bool> is_repeated(text.words.size());
  for (size_t i = 1; i < ngrams.size(); ++i)
    if (ngrams[i].first == ngrams[i - 1].first)
      for (size_t k = 0; k < n; ++k) is_repeated[ngrams[i].second + k] = true;
  int64_t repeated = 0;
  for (size_t i = 0; i < is_repeated.size(); ++i)
    if (is_repeated[i]) repeated += text.sizes[i];
  return static_cast<double>(repeated) / static_cast<double>(std::max<int64_t>(text.total, 1));
}

std::string repetition_of(std::string_view text, const HashedWords& words) {
  if (repeats_parts(text, "\n")) return "lines";
  if (repeats_parts(text, "\n\n")) return "paragraphs";
  constexpr double kTop[] = {0.20, 0.18, 0.16};                         // Gopher, of 2- to 4-grams
  constexpr double kRepeated[] = {0.15, 0.14, 0.13, 0.12, 0.11, 0.10};  // Gopher, of 5- to 10-grams
  for (size_t n = 2; n <= 4; ++n)
    if (top_ngram_share(words, n) > kTop[n - 2]) return fmt::format("a {}-gram", n);
  for (size_t n = 5; n <= 10; ++n)
    if (repeated_ngram_share(words, n) > kRepeated[n - 5]) return fmt::format("{}-grams", n);
  return "";
}

struct Rule {
  const char* reason;
  bool (*breaks)(const Measured& text, const FilterOptions& options);
};

const Rule kRules[] = {
    {"short",  // Gopher: 50 words
     [](const Measured& m, const FilterOptions& o) { return std::ssize(m.words) < o.min_words; }},
    {"long",  // Gopher: 100,000 words
     [](const Measured& m, const FilterOptions& o) { return std::ssize(m.words) > o.max_words; }},
    {"word length",  // Gopher: 3 to 10
     [](const Measured& m, const FilterOptions& o) {
       const double mean = m.mean_word_length();
       return mean < 3 || mean > o.max_word_length;
     }},
    {"few words",  // Gopher: 80 % of words with a letter
     [](const Measured& m, const FilterOptions&) { return m.share_of_words(has_letter) < 0.8; }},
    {"bullets",  // Gopher: at most 90 % of lines
     [](const Measured& m, const FilterOptions&) { return m.share_of_lines(is_bullet) > 0.9; }},
    {"ellipses",  // Gopher: at most 30 % of lines
     [](const Measured& m, const FilterOptions&) {
       return m.share_of_lines(
                  [](std::string_view line) { return line.ends_with("...") || line.ends_with("…"); }) > 0.3;
     }},
    {"symbols",  // Ours, after Gopher's symbol-to-word ratio
     [](const Measured& m, const FilterOptions& o) { return symbol_share(m.text) > o.max_symbols; }},
    {"damaged",  // Ours: characters that an earlier step could not read
     [](const Measured& m, const FilterOptions&) { return m.text.find("\uFFFD") != m.text.npos; }},
    {"repetition",
     [](const Measured& m, const FilterOptions& o) {
       return o.has_repetition && !repetition_of(m.text, HashedWords(m.words)).empty();
     }},
};

// C4: a line ends like a sentence, has five words or more, and no curly bracket. Ours: few symbols.
bool is_prose_line(std::string_view line, double max_symbols) {
  return ends_like_a_sentence(line) && line.find_first_of("{}") == line.npos &&
         symbol_share(line) <= max_symbols && std::count(line.begin(), line.end(), ' ') >= 4;
}

std::string prose_lines(std::string_view text, double max_symbols) {
  std::string kept;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.empty() ? !kept.empty() && !kept.ends_with("\n\n") : is_prose_line(line, max_symbols))
      kept.append(line).append("\n");
    at = end + 1;
  }
  while (kept.ends_with('\n')) kept.pop_back();
  return kept;
}

}  // namespace

std::string repetition_in(std::string_view text) {
  return repetition_of(text, HashedWords(words_of(text)));
}

FilterStep::FilterStep(FilterOptions options) : options_(std::move(options)) {
  if (!options_.identifier.empty()) identifier_.emplace(options_.identifier);
}

bool FilterStep::is_in_language(const Document& document, const std::string& text) const {
  const std::string wanted = options_.language.empty() ? language_of(document) : options_.language;
  if (!identifier_ || wanted.empty()) return true;
  const auto guess = identifier_->identify(text);
  return guess && guess->language == wanted && guess->probability >= options_.min_probability;
}

void FilterStep::judge(Document& document) const {
  if (options_.has_prose_lines)
    for (std::string* text : texts_of(document)) *text = prose_lines(*text, options_.max_symbols);
  const std::string text = joined_text(document);
  const Measured measured(text);
  for (const Rule& rule : kRules)
    if (rule.breaks(measured, options_)) {
      document.removed = rule.reason;
      return;
    }
  if (!is_in_language(document, text)) document.removed = "language";
}

}  // namespace poro
