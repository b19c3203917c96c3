#include "eval/tasks/ifeval_instructions.h"

#include "base/error.h"

namespace poro::ifeval {
namespace {

struct Type {
  std::string_view id;
  Check (*make)(const Arguments&, const Setting&);
};

constexpr Type kTypes[] = {
    {"keywords:existence", keyword_existence},
    {"keywords:frequency", keyword_frequency},
    {"keywords:forbidden_words", forbidden_words},
    {"keywords:letter_frequency", letter_frequency},
    {"language:response_language", response_language},
    {"length_constraints:number_sentences", number_sentences},
    {"length_constraints:number_paragraphs", number_paragraphs},
    {"length_constraints:number_words", number_words},
    {"length_constraints:nth_paragraph_first_word", nth_paragraph_first_word},
    {"detectable_content:number_placeholders", number_slots},
    {"detectable_content:postscript", postscript},
    {"detectable_format:number_bullet_lists", number_bullets},
    {"detectable_format:constrained_response", constrained_response},
    {"detectable_format:number_highlighted_sections", number_highlights},
    {"detectable_format:multiple_sections", multiple_sections},
    {"detectable_format:json_format", json_format},
    {"detectable_format:title", title},
    {"combination:two_responses", two_responses},
    {"combination:repeat_prompt", repeat_prompt},
    {"startend:end_checker", end_phrase},
    {"startend:quotation", quotation},
    {"change_case:capital_word_frequency", capital_word_frequency},
    {"change_case:english_capital", all_capitals},
    {"change_case:english_lowercase", all_lower_case},
    {"punctuation:no_comma", no_comma},
};

}  // namespace

Check make_check(std::string_view id, const Arguments& arguments, const Setting& setting) {
  for (const Type& type : kTypes)
    if (type.id == id) return type.make(arguments, setting);
  fail("{}: there is no instruction type \"{}\"; is it an IFEval prompt file?", arguments.where(), id);
}

std::vector<std::string_view> instruction_ids() {
  std::vector<std::string_view> ids;
  for (const Type& type : kTypes) ids.push_back(type.id);
  return ids;
}

bool holds(size_t count, Relation relation, double threshold) {
  const auto n = static_cast<double>(count);
  return relation == Relation::kLessThan ? n < threshold : n >= threshold;
}

bool Arguments::has(const char* name) const {
  return values_.contains(name) && !values_[name].is_null();
}

const nlohmann::json& Arguments::value(const char* name) const {
  if (!has(name)) fail("{}: the argument \"{}\" is missing", where_, name);
  return values_[name];
}

std::string Arguments::text(const char* name) const {
  const nlohmann::json& json = value(name);
  if (!json.is_string() || json.get_ref<const std::string&>().empty())
    fail("{}: the argument \"{}\" must be text, but is {}", where_, name, json.dump());
  return json.get<std::string>();
}

std::vector<std::string> Arguments::texts(const char* name) const {
  const nlohmann::json& json = value(name);
  bool is_list = json.is_array() && !json.empty();
  for (const nlohmann::json& item : json) is_list = is_list && item.is_string();
  if (!is_list) fail("{}: the argument \"{}\" must be a list of texts, but is {}", where_, name, json.dump());
  return json.get<std::vector<std::string>>();
}

double Arguments::number(const char* name) const {
  const nlohmann::json& json = value(name);
  if (!json.is_number() || json.get<double>() < 0)
    fail("{}: the argument \"{}\" must be a number, 0 or more, but is {}", where_, name, json.dump());
  return json.get<double>();
}

Relation Arguments::relation(const char* name) const {
  const std::string relation = text(name);
  if (relation == "less than") return Relation::kLessThan;
  if (relation == "at least") return Relation::kAtLeast;
  fail("{}: the argument \"{}\" must be \"less than\" or \"at least\", but is \"{}\"", where_, name,
       relation);
}

}  // namespace poro::ifeval
