// IFEval's lengths: words are runs of letters, digits and underscores, sentences are NLTK's, paragraphs are
// parted by *** or by an empty line, whichever the instruction speaks of.
#include <algorithm>
#include <memory>

#include "base/error.h"
#include "eval/pattern.h"
#include "eval/python_text.h"
#include "eval/tasks/ifeval_instructions.h"

namespace poro::ifeval {
namespace {

bool is_blank(std::string_view text) {
  return python::strip(text).empty();
}

// The first word as Google's checker takes it: opening quotes off, cut at the first punctuation mark, and
// each letter in lower case for itself, so that a sigma at the end is no final one.
std::string first_word(std::string_view paragraph) {
  std::string_view word = python::lstrip(python::lstrip(python::split(paragraph).front(), "'"), "\"");
  word = word.substr(0, word.find_first_of(".,?!'\""));
  std::string lowered;
  for (std::string_view letter; !word.empty(); word.remove_prefix(letter.size()))
    lowered += python::lower(letter = python::first_character(word));
  return lowered;
}

}  // namespace

Check number_words(const Arguments& arguments, const Setting&) {
  const double num_words = arguments.number("num_words");
  const Relation relation = arguments.relation("relation");
  const auto word = std::make_shared<const Pattern>("\\w+");
  return [=](const std::string& answer) { return holds(word->count_in(answer), relation, num_words); };
}

Check number_sentences(const Arguments& arguments, const Setting& setting) {
  const double num_sentences = arguments.number("num_sentences");
  const Relation relation = arguments.relation("relation");
  return [=, &models = setting.models](const std::string& answer) {
    return holds(models.punkt().sentences(answer).size(), relation, num_sentences);
  };
}

Check number_paragraphs(const Arguments& arguments, const Setting&) {
  const double num_paragraphs = arguments.number("num_paragraphs");
  const auto separator = std::make_shared<const Pattern>("\\s?\\*\\*\\*\\s?");
  return [=](const std::string& answer) {
    const std::vector<std::string_view> paragraphs = separator->split(answer);
    size_t count = paragraphs.size();
    for (size_t i = 0; i < paragraphs.size(); ++i) {
      if (!is_blank(paragraphs[i])) continue;
      if (i != 0 && i + 1 != paragraphs.size()) return false;
      --count;
    }
    return static_cast<double>(count) == num_paragraphs;
  };
}

Check nth_paragraph_first_word(const Arguments& arguments, const Setting&) {
  const double num_paragraphs = arguments.number("num_paragraphs");
  const auto nth = static_cast<size_t>(arguments.number("nth_paragraph"));
  const std::string wanted = python::lower(arguments.text("first_word"));
  if (nth < 1 || static_cast<double>(nth) > num_paragraphs)
    fail("{}: there is no paragraph {} of {}", arguments.where(), nth, num_paragraphs);
  return [=](const std::string& answer) {
    const std::vector<std::string_view> paragraphs = python::split(answer, "\n\n");
    const auto count = static_cast<size_t>(
        std::count_if(paragraphs.begin(), paragraphs.end(), [](std::string_view p) { return !is_blank(p); }));
    // Blank paragraphs do not count, but they take a place: so the original.
    if (nth > count || is_blank(paragraphs[nth - 1])) return false;
    return static_cast<double>(count) == num_paragraphs && first_word(paragraphs[nth - 1]) == wanted;
  };
}

}  // namespace poro::ifeval
