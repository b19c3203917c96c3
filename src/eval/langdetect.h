// The language of a text as the langdetect library tells it: naive Bayes over the 1- to 3-character pieces of
// the text against profiles of 55 languages, in seven trials of randomly drawn pieces. Nakatani Shuyo's
// algorithm; the Python port draws from an unseeded generator, so two runs of it may differ on doubtful text.
// Ours draws from fixed seeds and tells how often the original gives an answer.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "eval/pattern.h"

namespace poro {

class Langdetect {
 public:
  // `folder` holds one JSON profile per language, `properties` the classes of equivalent Chinese characters.
  // Throws Error.
  Langdetect(const std::filesystem::path& folder, const std::filesystem::path& properties);

  // The share of runs that answer `language` ("fi", "zh-cn"); nothing when the text holds no piece that any
  // profile knows (an exception in the original). A run in which no language has a tenth of the probability
  // answers none.
  std::optional<double> share(std::string_view text, std::string_view language) const;

 private:
  void load_profile(const std::filesystem::path& path, size_t language, size_t num_languages);
  void load_classes(const std::filesystem::path& properties);
  std::u32string cleaned(std::string_view text) const;
  char32_t normalized(char32_t character) const;
  // Rows of `probabilities_`, one per known piece of the text, repetitions included.
  std::vector<uint32_t> pieces(const std::u32string& text) const;
  // One run of the original: an index into `languages_`, or its size for "unknown".
  size_t detect_once(const std::vector<uint32_t>& rows, uint64_t seed) const;

  std::vector<std::string> languages_;
  std::unordered_map<std::u32string, uint32_t> rows_;
  std::vector<double> probabilities_;  // (pieces, languages)
  std::unordered_map<char32_t, char32_t> classes_;
  Pattern address_, mail_;
};

}  // namespace poro
