// The language of a text by fastText's linear classifier over words and character n-grams (Joulin et al., Bag
// of tricks for efficient text classification, 2016), with the published model of 176 languages, lid.176.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace poro {

class LanguageIdentifier {
 public:
  // Throws Error when `model` is no fastText model.
  explicit LanguageIdentifier(const std::filesystem::path& model);
  ~LanguageIdentifier();
  LanguageIdentifier(LanguageIdentifier&&) noexcept;
  LanguageIdentifier& operator=(LanguageIdentifier&&) noexcept;

  struct Guess {
    std::string language;  // ISO 639-1 where there is one: "fi".
    double probability;
  };
  // The most probable language; nothing for text without a word.
  std::optional<Guess> identify(std::string_view text) const;

 private:
  struct Model;
  std::unique_ptr<Model> model_;
};

}  // namespace poro
