// IFEval's detectable content and format: marks that a regular expression finds.
#include <memory>

#include "eval/pattern.h"
#include "eval/python_text.h"
#include "eval/tasks/ifeval_instructions.h"
#include "eval/tasks/ifeval_json.h"

namespace poro::ifeval {
namespace {

using SharedPattern = std::shared_ptr<const Pattern>;  // A std::function must be copyable.

SharedPattern shared(std::string_view expression, unsigned flags = Pattern::kNone) {
  return std::make_shared<const Pattern>(expression, flags);
}

}  // namespace

Check number_slots(const Arguments& arguments, const Setting&) {
  const double wanted = arguments.number("num_placeholders");
  const SharedPattern slot = shared(R"(\[.*?\])");
  return [=](const std::string& answer) { return static_cast<double>(slot->count_in(answer)) >= wanted; };
}

Check postscript(const Arguments& arguments, const Setting&) {
  const std::string marker(python::strip(arguments.text("postscript_marker")));
  const std::string expression = marker == "P.P.S"  ? R"(\s*p\.\s?p\.\s?s.*$)"
                                 : marker == "P.S." ? R"(\s*p\.\s?s\..*$)"
                                                    : "\\s*" + python::lower(marker) + ".*$";
  const SharedPattern pattern = shared(expression, Pattern::kMultiLine);
  return [=](const std::string& answer) { return pattern->found_in(python::lower(answer)); };
}

Check number_bullets(const Arguments& arguments, const Setting&) {
  const double wanted = arguments.number("num_bullets");
  const SharedPattern star = shared(R"(^\s*\*[^*].*$)", Pattern::kMultiLine);
  const SharedPattern dash = shared(R"(^\s*-.*$)", Pattern::kMultiLine);
  return [=](const std::string& answer) {
    return static_cast<double>(star->count_in(answer) + dash->count_in(answer)) == wanted;
  };
}

Check constrained_response(const Arguments&, const Setting& setting) {
  return [phrases = setting.language.constrained_responses](const std::string& answer) {
    for (const std::string& phrase : phrases)
      if (answer.find(phrase) != std::string::npos) return true;
    return false;
  };
}

// A part in double stars counts by its own pattern, and its halves may count by the single one: so the
// original.
Check number_highlights(const Arguments& arguments, const Setting&) {
  const double wanted = arguments.number("num_highlights");
  const SharedPattern single = shared(R"(\*[^\n*]*\*)"), twice = shared(R"(\*\*[^\n*]*\*\*)");
  return [=](const std::string& answer) {
    size_t count = 0;
    for (const std::string_view part : single->all_in(answer))
      count += !python::strip(python::strip(part, "*")).empty();
    for (const std::string_view part : twice->all_in(answer))
      count += !python::strip(part.substr(2, part.size() - 4)).empty();
    return static_cast<double>(count) >= wanted;
  };
}

Check multiple_sections(const Arguments& arguments, const Setting& setting) {
  const double wanted = arguments.number("num_sections");
  std::string word;
  if (arguments.has("section_spliter")) {
    word = python::strip(arguments.text("section_spliter"));
  } else {
    for (const std::string& option : setting.language.section_words)
      word += (word.empty() ? "(?:" : "|") + option;
    word += ")";
  }
  const SharedPattern start = shared("\\s?" + word + "\\s?\\d+\\s?");
  return [=](const std::string& answer) { return static_cast<double>(start->count_in(answer)) >= wanted; };
}

Check json_format(const Arguments&, const Setting&) {
  return [](const std::string& answer) {
    std::string_view block = python::strip(answer);
    for (const char* fence : {"```json", "```Json", "```JSON", "```"})
      block = python::remove_prefix(block, fence);
    return is_python_json(python::strip(python::remove_suffix(block, "```")));
  };
}

Check title(const Arguments&, const Setting&) {
  const SharedPattern pattern = shared(R"(<<[^\n]+>>)");
  return [=](const std::string& answer) {
    for (const std::string_view mark : pattern->all_in(answer))
      if (!python::strip(python::rstrip(python::lstrip(mark, "<"), ">")).empty()) return true;
    return false;
  };
}

}  // namespace poro::ifeval
