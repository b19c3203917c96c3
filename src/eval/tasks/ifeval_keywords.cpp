// IFEval's keywords: words are regular expressions, found anywhere (also inside other words), except
// forbidden ones, which must stand alone.
#include <algorithm>
#include <memory>

#include "base/error.h"
#include "eval/pattern.h"
#include "eval/python_text.h"
#include "eval/tasks/ifeval_instructions.h"

namespace poro::ifeval {
namespace {

// Patterns in a std::function, which must be copyable.
using Patterns = std::shared_ptr<const std::vector<Pattern>>;

Patterns patterns(const std::vector<std::string>& expressions) {
  auto list = std::make_shared<std::vector<Pattern>>();
  for (const std::string& expression : expressions) list->emplace_back(expression, Pattern::kIgnoreCase);
  return list;
}

}  // namespace

Check keyword_existence(const Arguments& arguments, const Setting&) {
  const Patterns keywords = patterns(arguments.texts("keywords"));
  return [keywords](const std::string& answer) {
    for (const Pattern& keyword : *keywords)
      if (!keyword.found_in(answer)) return false;
    return true;
  };
}

Check keyword_frequency(const Arguments& arguments, const Setting&) {
  const Patterns keyword = patterns({std::string(python::strip(arguments.text("keyword")))});
  const double frequency = arguments.number("frequency");
  const Relation relation = arguments.relation("relation");
  return [=](const std::string& answer) {
    return holds(keyword->front().count_in(answer), relation, frequency);
  };
}

Check forbidden_words(const Arguments& arguments, const Setting&) {
  std::vector<std::string> expressions;
  for (const std::string& word : arguments.texts("forbidden_words"))
    expressions.push_back("\\b" + word + "\\b");
  const Patterns forbidden = patterns(expressions);
  return [forbidden](const std::string& answer) {
    for (const Pattern& word : *forbidden)
      if (word.found_in(answer)) return false;
    return true;
  };
}

// Two prompts ask for "#" and "!". Google's checker, and the Finnish one after it, puts a letter of a to z
// drawn at random in place of what is no such letter, once for all variants of an answer; the verdict here is
// the one that most letters get.
Check letter_frequency(const Arguments& arguments, const Setting&) {
  static constexpr std::u32string_view kLetters = U"abcdefghijklmnopqrstuvwxyz";
  const std::u32string letter = python::characters(python::lower(arguments.text("letter")));
  const double frequency = arguments.number("let_frequency");
  const Relation relation = arguments.relation("let_relation");
  const bool is_letter = letter.size() == 1 && kLetters.find(letter) != std::u32string_view::npos;
  const std::u32string candidates = is_letter ? letter : std::u32string(kLetters);
  return [=](const std::string& answer) {
    const std::u32string text = python::characters(python::lower(answer));
    size_t num_following = 0;
    for (const char32_t candidate : candidates)
      num_following +=
          holds(static_cast<size_t>(std::count(text.begin(), text.end(), candidate)), relation, frequency);
    return 2 * num_following > candidates.size();
  };
}

}  // namespace poro::ifeval
