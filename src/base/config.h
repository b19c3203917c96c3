// Settings as structs. A struct says its fields once,
//
//   template <class Visit> void fields(Visit&& visit) { visit("beta", beta, "How far ..."); }
//
// and reading (with types checked, unknown keys refused and the nearest suggested) and writing follow from
// that one list. An enum says its words once, in `choices(E)`, found by argument-dependent lookup.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/nearest.h"

namespace poro {

using ConfigJson = nlohmann::ordered_json;

struct IgnoreFields {
  void operator()(auto&&...) const {}
};
template <class T>
concept HasFields = requires(T& config) {
  config.fields(IgnoreFields{});
};

template <class E>
struct Choice {
  std::string_view name;
  E value;
};

template <class E>
std::string_view choice_name(E value) {
  for (const auto& choice : choices(E{}))
    if (choice.value == value) return choice.name;
  CHECK(false, "an enum value without a name");
  return {};
}

template <HasFields T>
void read_config(const ConfigJson& json, const std::string& where, T& config);
template <HasFields T>
ConfigJson config_to_json(const T& config);

// One value from JSON. `where` is the sentence's subject: "recipe.toml: optimizer.eps".
template <class T>
void read_value(const ConfigJson& json, const std::string& where, T& value) {
  if constexpr (HasFields<T>) {
    read_config(json, where, value);
  } else if constexpr (std::is_enum_v<T>) {
    std::vector<std::string> names;
    for (const auto& choice : choices(T{})) {
      names.emplace_back(choice.name);
      if (json.is_string() && json.get<std::string>() == choice.name) return void(value = choice.value);
    }
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    fail("{} is {}, which is none of {}{}", where, json.dump(), list,
         json.is_string() ? suggestion(json.get<std::string>(), names) : "");
  } else if constexpr (std::same_as<T, bool>) {
    if (!json.is_boolean()) fail("{} is {}, not true or false", where, json.dump());
    value = json.get<bool>();
  } else if constexpr (std::same_as<T, int64_t>) {
    if (!json.is_number_integer()) fail("{} is {}, not a whole number", where, json.dump());
    value = json.get<int64_t>();
  } else if constexpr (std::same_as<T, double>) {
    if (!json.is_number()) fail("{} is {}, not a number", where, json.dump());
    value = json.get<double>();
  } else if constexpr (std::same_as<T, std::string>) {
    if (!json.is_string()) fail("{} is {}, not a string", where, json.dump());
    value = json.get<std::string>();
  } else if constexpr (requires {
                         value.emplace();
                         value.has_value();
                       }) {
    read_value(json, where, value.emplace());
  } else if constexpr (requires { value.emplace_back(); }) {
    if (!json.is_array()) fail("{} is {}, not an array", where, json.dump());
    value.clear();
    for (size_t i = 0; i < json.size(); ++i)
      read_value(json[i], fmt::format("{}[{}]", where, i), value.emplace_back());
  } else {
    constexpr size_t kCount = std::tuple_size_v<T>;
    if (!json.is_array() || json.size() != kCount)
      fail("{} is {}, not an array of {}", where, json.dump(), kCount);
    for (size_t i = 0; i < kCount; ++i) read_value(json[i], where + "[" + std::to_string(i) + "]", value[i]);
  }
}

template <class T>
ConfigJson value_to_json(const T& value) {
  if constexpr (HasFields<T>) {
    return config_to_json(value);
  } else if constexpr (std::is_enum_v<T>) {
    return choice_name(value);
  } else if constexpr (requires {
                         value.has_value();
                         *value;
                       }) {
    return value ? value_to_json(*value) : ConfigJson(nullptr);
  } else if constexpr (requires { value.begin(); } && !std::same_as<T, std::string>) {
    ConfigJson array = ConfigJson::array();
    for (const auto& element : value) array.push_back(value_to_json(element));
    return array;
  } else {
    return value;
  }
}

// Takes the fields of `config` from an object; absent ones keep their values. Throws Error that names
// `where`, the key and what was expected.
template <HasFields T>
void read_config(const ConfigJson& json, const std::string& where, T& config) {
  if (!json.is_object()) fail("{} is {}, not a table", where, json.dump());
  std::vector<std::string> names;
  const char* separator = where.ends_with(".toml") || where.ends_with(".json") ? ": " : ".";
  config.fields([&](const char* name, auto& value, const char*) {
    names.emplace_back(name);
    if (const auto found = json.find(name); found != json.end())
      read_value(*found, where + separator + name, value);
  });
  for (const auto& [key, value] : json.items())
    if (std::find(names.begin(), names.end(), key) == names.end())
      fail("{}{}{} is no setting{}", where, separator, key, suggestion(key, names));
}

template <HasFields T>
ConfigJson config_to_json(const T& config) {
  ConfigJson json = ConfigJson::object();
  T copy = config;
  copy.fields([&](const char* name, const auto& value, const char*) { json[name] = value_to_json(value); });
  return json;
}

}  // namespace poro
