#include "data/statistics.h"

#include "base/error.h"

namespace poro {

void RowStatistics::add(const RowStatistics& other) {
  lines += other.lines;
  rows += other.rows;
  tokens += other.tokens;
  counted += other.counted;
  malformed += other.malformed;
  uncounted += other.uncounted;
  for (const auto& [language, count] : other.languages) {
    languages[language].tokens += count.tokens;
    languages[language].words += count.words;
  }
}

nlohmann::ordered_json RowStatistics::to_json() const {
  nlohmann::ordered_json by_language = nlohmann::ordered_json::object();
  for (const auto& [language, count] : languages)
    by_language[language] = {{"tokens", count.tokens}, {"words", count.words}};
  return {{"lines", lines},         {"rows", rows},           {"tokens", tokens},        {"counted", counted},
          {"malformed", malformed}, {"uncounted", uncounted}, {"languages", by_language}};
}

RowStatistics RowStatistics::from_json(const nlohmann::ordered_json& json, const std::string& where) {
  try {
    RowStatistics result{.lines = json.at("lines"),
                         .rows = json.at("rows"),
                         .tokens = json.at("tokens"),
                         .counted = json.at("counted"),
                         .malformed = json.at("malformed"),
                         .uncounted = json.at("uncounted"),
                         .languages = {}};
    for (const auto& [language, count] : json.at("languages").items())
      result.languages[language] = {.tokens = count.at("tokens"), .words = count.at("words")};
    return result;
  } catch (const nlohmann::json::exception&) {
    fail("{} is damaged; remove its folder, and the next run makes it again", where);
  }
}

}  // namespace poro
