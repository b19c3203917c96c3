// What IFEval's checks know of a language: one row of a table, so that another language is data. And the
// models behind the checks, loaded when the first check needs them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/langdetect.h"
#include "eval/punkt.h"
#include "eval/word_tokenizer.h"
#include "text/language.h"

namespace poro::ifeval {

struct Language {
  enum class Identifier { kLangdetect, kFastText };
  enum class OnFailure { kFollowed, kNotFollowed };

  std::string code, name;                          // "fi", "Finnish"
  std::vector<std::string> constrained_responses;  // One of them must stand in the answer.
  std::vector<std::string> section_words;          // What starts a section where the prompt names no word.
  Identifier identifier;                           // For "answer in language X".
  std::vector<std::string_view> identified;  // What the original's identifier can answer; empty: anything.
  OnFailure on_failure;                      // When the identifier finds no language at all.
};

// The row of the table. Throws Error that lists the codes when there is none.
const Language& language(std::string_view code);

// Not for several threads at once.
class Models {
 public:
  const Punkt& punkt();
  const WordTokenizer& words();
  const Langdetect& langdetect();
  const LanguageIdentifier& identifier();

 private:
  std::optional<Punkt> punkt_;
  std::optional<WordTokenizer> words_;
  std::optional<Langdetect> langdetect_;
  std::optional<LanguageIdentifier> identifier_;
};

}  // namespace poro::ifeval
