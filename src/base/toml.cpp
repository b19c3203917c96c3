#include "base/toml.h"

#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const toml::node& node, const std::string& where);

// toml++ keeps keys sorted; the places in the text give the file's order back.
Json table_to_json(const toml::table& table, const std::string& where) {
  std::vector<std::pair<toml::source_position, std::pair<std::string, const toml::node*>>> entries;
  for (const auto& [key, value] : table)
    entries.push_back({key.source().begin, {std::string(key.str()), &value}});
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  Json object = Json::object();
  for (const auto& [place, entry] : entries) object[entry.first] = to_json(*entry.second, where);
  return object;
}

Json to_json(const toml::node& node, const std::string& where) {
  if (const toml::table* table = node.as_table()) return table_to_json(*table, where);
  if (const toml::array* array = node.as_array()) {
    Json result = Json::array();
    for (const toml::node& element : *array) result.push_back(to_json(element, where));
    return result;
  }
  if (const auto* value = node.as_string()) return value->get();
  if (const auto* value = node.as_integer()) return value->get();
  if (const auto* value = node.as_floating_point()) return value->get();
  if (const auto* value = node.as_boolean()) return value->get();
  fail("{}, line {}: dates and times mean nothing here", where, node.source().begin.line);
}

// JSON's escapes are TOML's too.
std::string quoted(const std::string& text) {
  return Json(text).dump();
}

std::string number(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  const std::string text = fmt::format("{}", value);
  return text.find_first_of(".e") == text.npos ? text + ".0" : text;
}

std::string key_text(const std::string& key) {
  const bool is_bare = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
  return is_bare ? key : quoted(key);
}

std::string inline_text(const Json& value) {
  if (value.is_string()) return quoted(value.get<std::string>());
  if (value.is_number_float()) return number(value.get<double>());
  std::string text;
  const auto append = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (value.is_array()) {
    for (const Json& element : value) append(inline_text(element));
    return "[" + text + "]";
  }
  if (value.is_object()) {
    for (const auto& [key, element] : value.items())
      if (!element.is_null()) append(key_text(key) + " = " + inline_text(element));
    return "{ " + text + " }";
  }
  return value.dump();
}

}  // namespace

Json parse_toml(std::string_view text, const std::string& where) {
  try {
    return table_to_json(toml::parse(text), where);
  } catch (const toml::parse_error& error) {
    fail("{}, line {}: {}", where, error.source().begin.line, error.description());
  }
}

Json parse_toml_value(std::string_view text) {
  try {
    return table_to_json(toml::parse("value = " + std::string(text)), "a value").at("value");
  } catch (const toml::parse_error&) {
    return std::string(text);
  }
}

std::string to_toml(const Json& object) {
  std::string text, sections;
  for (const auto& [key, value] : object.items()) {
    if (value.is_null()) continue;
    if (value.is_object())
      sections += fmt::format("\n[{}]\n{}", key_text(key), to_toml(value));
    else
      text += fmt::format("{} = {}\n", key_text(key), inline_text(value));
  }
  return text + sections;
}

}  // namespace poro
