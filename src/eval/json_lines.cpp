#include "eval/json_lines.h"

#include "base/error.h"
#include "base/file.h"
#include "eval/parquet.h"

namespace poro {
namespace {

// What Python's json module reads and JSON does not have, written as JSON: numbers that are none as null, and
// halves of surrogate pairs as U+FFFD.
std::string as_json(std::string_view text) {
  std::string result;
  const auto is_half = [&](size_t at, char first, char last) {
    return text.size() >= at + 6 && text[at] == '\\' && text[at + 1] == 'u' && (text[at + 2] | 0x20) == 'd' &&
           (text[at + 3] | 0x20) >= first && (text[at + 3] | 0x20) <= last;
  };
  // The third digit of a surrogate is 8 to b in its first half, c to f in its second.
  const auto is_high = [&](size_t at) {
    return is_half(at, '8' | 0x20, '9' | 0x20) || is_half(at, 'a', 'b');
  };
  const auto is_low = [&](size_t at) { return is_half(at, 'c', 'f'); };
  bool in_string = false;
  for (size_t at = 0; at < text.size();) {
    size_t count = 1;
    if (in_string && is_high(at) && is_low(at + 6)) {
      count = 12;
    } else if (in_string && (is_high(at) || is_low(at))) {
      result += "\\ufffd";
      at += 6;
      continue;
    } else if (in_string && text[at] == '\\') {
      count = 2;
    } else if (text[at] == '"') {
      in_string = !in_string;
    } else if (!in_string) {
      bool is_replaced = false;
      for (const std::string_view word : {"NaN", "Infinity", "-Infinity"})
        if (!is_replaced && text.substr(at).starts_with(word)) {
          result += "null";
          at += word.size();
          is_replaced = true;
        }
      if (is_replaced) continue;
    }
    result += text.substr(at, count);
    at += count;
  }
  return result;
}

nlohmann::json parse(std::string_view text) {
  nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  return json.is_discarded() ? nlohmann::json::parse(as_json(text), nullptr, false) : json;
}

}  // namespace

JsonLines read_json_lines(const std::filesystem::path& path) {
  const std::string content = read_file(path);
  JsonLines result;
  if (is_parquet(content)) {
    for (const std::string& row : read_parquet(path))
      result.lines.push_back({result.lines.size() + 1, nlohmann::json::parse(row)});
    return result;
  }
  size_t number = 0;
  for (size_t at = 0; at < content.size();) {
    const size_t end = std::min(content.find('\n', at), content.size());
    const std::string_view line = std::string_view(content).substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) {
      ++result.num_blank;
      continue;
    }
    nlohmann::json json = parse(line);
    if (json.is_object())
      result.lines.push_back({number, std::move(json)});
    else
      result.broken.push_back(fmt::format("{}, line {}, is no JSON object", path.string(), number));
  }
  return result;
}

JsonLines read_whole_json_lines(const std::filesystem::path& path) {
  JsonLines result = read_json_lines(path);
  if (!result.broken.empty()) fail("{}; mend or remove the line", result.broken.front());
  return result;
}

bool is_parquet(std::string_view content) {
  return content.starts_with("PAR1");
}

std::string text_member(const nlohmann::json& object, const char* name, const std::string& where) {
  const auto found = object.find(name);
  if (found == object.end()) fail("{}: \"{}\" is missing", where, name);
  if (!found->is_string()) fail("{}: \"{}\" must be text, but is {}", where, name, found->type_name());
  return found->get<std::string>();
}

nlohmann::json read_json(const std::filesystem::path& path) {
  nlohmann::json json = parse(read_file(path));
  if (json.is_discarded()) fail("{} is not JSON; is it whole?", path.string());
  return json;
}

}  // namespace poro
