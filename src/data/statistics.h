// What was read from a source: counted while it is tokenised, kept beside the tokens, printed by every run.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace poro {

struct LanguageCount {
  int64_t tokens = 0, words = 0;
};

struct RowStatistics {
  int64_t lines = 0;      // Not blank
  int64_t rows = 0;       // Kept; a preference is one
  int64_t tokens = 0;     // Of the rows; a preference has two rows of them
  int64_t counted = 0;    // Tokens that the loss counts
  int64_t malformed = 0;  // Lines that were skipped
  int64_t uncounted = 0;  // Rows without a token that counts, left out
  std::map<std::string, LanguageCount>
      languages;  // By the line's own "lang"; "" where it says none. Rows of ids have no words.

  void add(const RowStatistics& other);
  nlohmann::ordered_json to_json() const;
  // Throws Error naming `where`.
  static RowStatistics from_json(const nlohmann::ordered_json& json, const std::string& where);
};

}  // namespace poro
