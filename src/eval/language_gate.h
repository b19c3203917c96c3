// Whether an answer is in the language that was asked for. The benchmarks' Finnish editions put a wrong
// language before any judge's opinion: it loses.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "text/language.h"

namespace poro {

class LanguageGate {
 public:
  // `language` is an ISO 639-1 code. `model` is a fastText model with labels such as "fi" (lid.176) or
  // "fin_Latn" (GlotLID). Throws Error.
  LanguageGate(std::string language, const std::filesystem::path& model);

  struct Result {
    bool is_right;
    std::string language;  // Found: ISO 639-1 where there is one; "unknown" for text without a word.
    double probability;
  };
  Result check(std::string_view text) const;

  const std::string& language() const { return language_; }

 private:
  std::string language_;
  LanguageIdentifier identifier_;
};

}  // namespace poro
