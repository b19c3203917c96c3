#include "eval/language_gate.h"

#include <unicode/locid.h>

namespace poro {
namespace {

// "fin_Latn" and "fi" are both "fi", "ekk_Latn" is "et", "nob_Latn" and "nno_Latn" are "no".
std::string two_letters(const std::string& label) {
  const std::string code = label.substr(0, label.find('_'));
  std::string language = icu::Locale::createCanonical(code.c_str()).getLanguage();
  if (language == "nb" || language == "nn") language = "no";
  return language.empty() ? code : language;
}

}  // namespace

LanguageGate::LanguageGate(std::string language, const std::filesystem::path& model)
    : language_(std::move(language)), identifier_(model) {}

LanguageGate::Result LanguageGate::check(std::string_view text) const {
  const auto guess = identifier_.identify(text);
  if (!guess) return {.is_right = false, .language = "unknown", .probability = 0};
  const std::string found = two_letters(guess->language);
  return {.is_right = found == language_, .language = found, .probability = guess->probability};
}

}  // namespace poro
