#include "eval/tasks/ifeval_language.h"

#include "base/error.h"
#include "eval/eval_data.h"

namespace poro::ifeval {
namespace {

const std::vector<Language>& table() {
  static const std::vector<Language> rows = {
      {.code = "en",
       .name = "English",
       .constrained_responses = {"My answer is yes.", "My answer is no.", "My answer is maybe."},
       .section_words = {"Section", "SECTION"},
       .identifier = Language::Identifier::kLangdetect,
       .identified = {},
       .on_failure = Language::OnFailure::kFollowed},
      {.code = "fi",
       .name = "Finnish",
       .constrained_responses = {"Vastaukseni on kyllä.", "Vastaukseni on ei.", "Vastaukseni on ehkä."},
       .section_words = {"Jakso", "JAKSO"},
       .identifier = Language::Identifier::kFastText,
       .identified = {"bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "ga", "hr",
                      "hu", "it", "lt", "lv", "mt", "nl", "pl", "pt", "ro", "sk", "sl", "sv"},
       .on_failure = Language::OnFailure::kNotFollowed},
  };
  return rows;
}

}  // namespace

const Language& language(std::string_view code) {
  std::string codes;
  for (const Language& row : table()) {
    if (row.code == code) return row;
    codes += (codes.empty() ? "" : ", ") + row.code;
  }
  fail("IFEval has no language \"{}\"; it has {}", code, codes);
}

const Punkt& Models::punkt() {
  if (!punkt_) punkt_.emplace(load_punkt_model(eval_data_file("punkt_english.json")));
  return *punkt_;
}

const WordTokenizer& Models::words() {
  if (!words_) words_.emplace();
  return *words_;
}

const Langdetect& Models::langdetect() {
  if (!langdetect_)
    langdetect_.emplace(eval_data_file("langdetect"), eval_data_file("langdetect.properties"));
  return *langdetect_;
}

const LanguageIdentifier& Models::identifier() {
  if (!identifier_) identifier_.emplace(eval_data_file("lid.176.ftz"));
  return *identifier_;
}

}  // namespace poro::ifeval
