#include "eval/json_lines.h"

#include "base/error.h"
#include "base/file.h"

namespace poro {

JsonLines read_json_lines(const std::filesystem::path& path) {
  const std::string content = read_file(path);
  JsonLines result;
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
    nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
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

std::string text_member(const nlohmann::json& object, const char* name, const std::string& where) {
  const auto found = object.find(name);
  if (found == object.end()) fail("{}: \"{}\" is missing", where, name);
  if (!found->is_string()) fail("{}: \"{}\" must be text, but is {}", where, name, found->type_name());
  return found->get<std::string>();
}

nlohmann::json read_json(const std::filesystem::path& path) {
  nlohmann::json json = nlohmann::json::parse(read_file(path), nullptr, false);
  if (json.is_discarded()) fail("{} is not JSON; is it whole?", path.string());
  return json;
}

}  // namespace poro
