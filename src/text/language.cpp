#include "text/language.h"

#include <fasttext/fasttext.h>

#include <sstream>
#include <vector>

#include "base/error.h"

namespace poro {

struct LanguageIdentifier::Model {
  fasttext::FastText classifier;
};

LanguageIdentifier::LanguageIdentifier(const std::filesystem::path& model)
    : model_(std::make_unique<Model>()) {
  try {
    model_->classifier.loadModel(model.string());
  } catch (const std::exception& error) {
    fail("{} cannot be read as a fastText model ({}); name the file lid.176.ftz", model.string(),
         error.what());
  }
}

LanguageIdentifier::~LanguageIdentifier() = default;
LanguageIdentifier::LanguageIdentifier(LanguageIdentifier&&) noexcept = default;
LanguageIdentifier& LanguageIdentifier::operator=(LanguageIdentifier&&) noexcept = default;

std::optional<LanguageIdentifier::Guess> LanguageIdentifier::identify(std::string_view text) const {
  // fastText reads one line; a line end within the text would cut it.
  std::string line(text);
  for (char& c : line)
    if (c == '\n' || c == '\r' || c == '\0') c = ' ';
  if (line.find_first_not_of(" \t\v\f") == std::string::npos) return std::nullopt;
  std::istringstream input(line + "\n");
  std::vector<std::pair<fasttext::real, std::string>> guesses;
  if (!model_->classifier.predictLine(input, guesses, 1, 0.0f) || guesses.empty()) return std::nullopt;
  static constexpr std::string_view kPrefix = "__label__";
  std::string label = guesses.front().second;
  if (label.starts_with(kPrefix)) label.erase(0, kPrefix.size());
  return Guess{.language = label, .probability = guesses.front().first};
}

}  // namespace poro
