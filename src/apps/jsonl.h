// JSON Lines in, one object per line: the form in which every command takes more than one input. What is
// wrong with a line is said with its number, and the lines after it can still be read.
#pragma once

#include <cstdint>
#include <functional>
#include <istream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poro {

using Json = nlohmann::ordered_json;

// One line as a JSON object. Throws Error (without a line number) for text that is not UTF-8, not JSON,
// nested over 100 levels, or no object.
Json parse_json_line(std::string_view line);

class JsonlReader {
 public:
  // A line takes at most this many bytes.
  static constexpr size_t kMaxLineBytes = size_t{256} << 20;

  // `name` is what errors call the input: "standard input", or a file.
  JsonlReader(std::istream& input, std::string name) : input_(input), name_(std::move(name)) {}

  // The next line that is not blank, without its end; none after the last. Throws Error for a line that is
  // too long.
  std::optional<std::string> next();
  // "standard input, line 3", of the line that `next` gave.
  std::string place() const;

 private:
  std::istream& input_;
  std::string name_;
  int64_t line_ = 0;
};

// Writes one line to standard output and flushes it.
void write_json_line(const Json& value);

// What is wrong with single lines: each is answered {"error": ...} and the others all the same; the first
// failure is thrown at the very end, so the exit code is 2.
class LineErrors {
 public:
  // The line's answer. `place` names the line.
  Json add(const std::string& place, const std::string& reason);
  void raise() const;

 private:
  std::string first_;
  int64_t count_ = 0;
};

// Answers every line of the input by one line on standard output, in order, then calls `finish`. A line that
// fails, in parsing or in `answer`, is one of LineErrors.
void answer_lines(std::istream& input, const std::function<Json(const Json& line)>& answer,
                  const std::function<void()>& finish = {});

// The fields of one object, taken out one by one with their types checked. Errors name the field.
class Fields {
 public:
  explicit Fields(const Json& object) : object_(object) {}

  // The field, or null when it is absent or null. Every field asked for is one that the command knows.
  const Json* find(std::string_view name);
  std::optional<std::string> text(std::string_view name);
  std::optional<int64_t> integer(std::string_view name);
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::vector<int32_t>> ids(std::string_view name);
  // The fields that nobody asked for.
  std::vector<std::string> unknown() const;

 private:
  const Json& object_;
  std::vector<std::string_view> known_;
};

}  // namespace poro
