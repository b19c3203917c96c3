// Files of one JSON object a line, or Parquet files of rows, as they come: with blank lines, and with lines
// that a killed writer left half done. The caller decides what such a line means; it is never dropped unseen.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace poro {

struct JsonLines {
  struct Line {
    size_t number;  // From 1.
    nlohmann::json json;
  };
  std::vector<Line> lines;
  size_t num_blank = 0;
  std::vector<std::string> broken;  // One sentence for each line that is no JSON object.
};

// Throws Error when the file cannot be read. What Python writes and JSON does not have is understood: NaN is
// null, and half a surrogate pair U+FFFD.
JsonLines read_json_lines(const std::filesystem::path& path);

// The same for a file that must be whole: throws Error for the first broken line. Blank lines pass.
JsonLines read_whole_json_lines(const std::filesystem::path& path);

// A member that must be text. Throws Error with `where` ("answers.jsonl, line 3").
std::string text_member(const nlohmann::json& object, const char* name, const std::string& where);

// A whole file that is one JSON value. Throws Error.
nlohmann::json read_json(const std::filesystem::path& path);

}  // namespace poro
