// The 25 instruction types of IFEval (Zhou et al., Instruction-following evaluation for large language
// models, 2023). A type is a function that reads an instruction's arguments once and returns the check of an
// answer; this is what Google's checker decides, its quirks included, because a better check would give other
// numbers. Families of types have a file each.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "eval/tasks/ifeval_language.h"

namespace poro::ifeval {

// How likely Google's checker lets an answer pass: 1 or 0, except where langdetect draws lots.
using Check = std::function<double(const std::string& answer)>;

enum class Relation { kLessThan, kAtLeast };
bool holds(size_t count, Relation relation, double threshold);

// The arguments of one instruction; null ones count as absent. The getters throw Error that names the prompt
// and the argument.
class Arguments {
 public:
  Arguments(nlohmann::json values, std::string where)
      : values_(std::move(values)), where_(std::move(where)) {}

  bool has(const char* name) const;
  std::string text(const char* name) const;
  std::vector<std::string> texts(const char* name) const;
  double number(const char* name) const;  // Not negative. Some editions of the data hold counts as 3.0.
  Relation relation(const char* name) const;
  const std::string& where() const { return where_; }

 private:
  const nlohmann::json& value(const char* name) const;
  nlohmann::json values_;
  std::string where_;
};

struct Setting {
  const Language& language;
  Models& models;
};

// The check of the type `id`. Throws Error for an unknown type and for arguments that are missing or wrong.
Check make_check(std::string_view id, const Arguments& arguments, const Setting& setting);
// The ids of all types.
std::vector<std::string_view> instruction_ids();

// keywords:
Check keyword_existence(const Arguments&, const Setting&);
Check keyword_frequency(const Arguments&, const Setting&);
Check forbidden_words(const Arguments&, const Setting&);
Check letter_frequency(const Arguments&, const Setting&);
// length_constraints:
Check number_words(const Arguments&, const Setting&);
Check number_sentences(const Arguments&, const Setting&);
Check number_paragraphs(const Arguments&, const Setting&);
Check nth_paragraph_first_word(const Arguments&, const Setting&);
// detectable_content: and detectable_format:
Check number_slots(const Arguments&, const Setting&);
Check postscript(const Arguments&, const Setting&);
Check number_bullets(const Arguments&, const Setting&);
Check constrained_response(const Arguments&, const Setting&);
Check number_highlights(const Arguments&, const Setting&);
Check multiple_sections(const Arguments&, const Setting&);
Check json_format(const Arguments&, const Setting&);
Check title(const Arguments&, const Setting&);
// combination:, startend: and punctuation:
Check two_responses(const Arguments&, const Setting&);
Check repeat_prompt(const Arguments&, const Setting&);
Check end_phrase(const Arguments&, const Setting&);
Check quotation(const Arguments&, const Setting&);
Check no_comma(const Arguments&, const Setting&);
// change_case: and language:
Check all_capitals(const Arguments&, const Setting&);
Check all_lower_case(const Arguments&, const Setting&);
Check capital_word_frequency(const Arguments&, const Setting&);
Check response_language(const Arguments&, const Setting&);

}  // namespace poro::ifeval
