// IFEval's letter case and languages. The case instructions want English in every edition of the task, the
// Finnish one included, and pass when langdetect finds nothing to judge by.
#include <algorithm>

#include "eval/python_text.h"
#include "eval/tasks/ifeval_instructions.h"

namespace poro::ifeval {
namespace {

double english_or_nothing(Models& models, const std::string& answer) {
  return models.langdetect().share(answer, "en").value_or(1);
}

}  // namespace

Check all_capitals(const Arguments&, const Setting& setting) {
  return [&models = setting.models](const std::string& answer) {
    return python::is_upper(answer) ? english_or_nothing(models, answer) : 0;
  };
}

Check all_lower_case(const Arguments&, const Setting& setting) {
  return [&models = setting.models](const std::string& answer) {
    return python::is_lower(answer) ? english_or_nothing(models, answer) : 0;
  };
}

Check capital_word_frequency(const Arguments& arguments, const Setting& setting) {
  const double frequency = arguments.number("capital_frequency");
  const Relation relation = arguments.relation("capital_relation");
  return [=, &models = setting.models](const std::string& answer) {
    const std::vector<std::string> words = models.words().tokens(models.punkt(), answer);
    return holds(static_cast<size_t>(std::count_if(words.begin(), words.end(), python::is_upper)), relation,
                 frequency);
  };
}

Check response_language(const Arguments& arguments, const Setting& setting) {
  const std::string wanted = arguments.text("language");
  const double unknown = setting.language.on_failure == Language::OnFailure::kFollowed ? 1 : 0;
  if (setting.language.identifier == Language::Identifier::kLangdetect)
    return [=, &models = setting.models](const std::string& answer) {
      return models.langdetect().share(answer, wanted).value_or(unknown);
    };
  // The original of the Finnish task knows the official languages of the European Union; an answer in any
  // other never follows.
  const std::vector<std::string_view>& identified = setting.language.identified;
  if (!identified.empty() && std::find(identified.begin(), identified.end(), wanted) == identified.end())
    return [](const std::string&) { return 0; };
  return [=, &models = setting.models](const std::string& answer) {
    const std::optional<LanguageIdentifier::Guess> guess = models.identifier().identify(answer);
    return guess ? static_cast<double>(guess->language == wanted) : unknown;
  };
}

}  // namespace poro::ifeval
