#include "eval/word_tokenizer.h"

#include "eval/python_text.h"

namespace poro {
namespace {

struct Rule {
  const char* expression;
  const char* replacement;
};

// Punctuation apart: opening quotes, then the other marks.
constexpr Rule kMarks[] = {
    {"([«“‘„]|`+)", " $1 "},
    {"^\"", "``"},
    {"(``)", " $1 "},
    {"([ (\\[{<])(\"|'{2})", "$1 `` "},
    {"(?i)(')(?!re|ve|ll|m|t|s|d|n)(\\w)\\b", "$1 $2"},
    {"([^.])(\\.)([\\])}>\"'»”’ ]*)\\s*$", "$1 $2 $3 "},
    {"([:,])([^\\d])", " $1 $2"},
    {"([:,])$", " $1 "},
    {"\\.{2,}", " $0 "},
    {"[;@#$%&]", " $0 "},
    {"([^.])(\\.)([\\])}>\"']*)\\s*$", "$1 $2$3 "},
    {"[?!]", " $0 "},
    {"([^'])' ", "$1 ' "},
    {"[*]", " $0 "},
    {"[\\]\\[(){}<>]", " $0 "},
    {"--", " -- "},
};

// On the text with a space at both ends: closing quotes, clitics, and contractions of two words.
constexpr Rule kClitics[] = {
    {"([»”’])", " $1 "},
    {"''", " '' "},
    {"\"", " '' "},
    {"([^' ])('[sS]|'[mM]|'[dD]|') ", "$1 $2 "},
    {"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", "$1 $2 "},
    {"(?i)\\b(can)(not)\\b", " $1 $2 "},
    {"(?i)\\b(d)('ye)\\b", " $1 $2 "},
    {"(?i)\\b(gim)(me)\\b", " $1 $2 "},
    {"(?i)\\b(gon)(na)\\b", " $1 $2 "},
    {"(?i)\\b(got)(ta)\\b", " $1 $2 "},
    {"(?i)\\b(lem)(me)\\b", " $1 $2 "},
    {"(?i)\\b(more)('n)\\b", " $1 $2 "},
    {"(?i)\\b(wan)(na)(?=\\s)", " $1 $2 "},
    {"(?i) ('t)(is)\\b", " $1 $2 "},
    {"(?i) ('t)(was)\\b", " $1 $2 "},
};

}  // namespace

WordTokenizer::WordTokenizer() {
  for (const Rule& rule : kMarks) marks_.emplace_back(Pattern(rule.expression), rule.replacement);
  for (const Rule& rule : kClitics) clitics_.emplace_back(Pattern(rule.expression), rule.replacement);
}

std::vector<std::string> WordTokenizer::tokens(std::string_view sentence) const {
  std::string text(sentence);
  for (const auto& [pattern, replacement] : marks_) text = pattern.replaced(text, replacement);
  text = " " + text + " ";
  for (const auto& [pattern, replacement] : clitics_) text = pattern.replaced(text, replacement);
  const std::vector<std::string_view> words = python::split(text);
  return {words.begin(), words.end()};
}

std::vector<std::string> WordTokenizer::tokens(const Punkt& punkt, std::string_view text) const {
  std::vector<std::string> all;
  for (const std::string_view sentence : punkt.sentences(text))
    for (std::string& token : tokens(sentence)) all.push_back(std::move(token));
  return all;
}

}  // namespace poro
