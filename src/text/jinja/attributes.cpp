#include "text/jinja/attributes.h"

#include <algorithm>

#include "text/jinja/functions.h"

namespace poro::jinja {

AttributePath::AttributePath(Runtime& runtime, const Value& attribute) {
  if (attribute.is_missing() || attribute.is_none()) return;
  if (!attribute.is_string()) {
    parts_.push_back(attribute);
    return;
  }
  std::string_view rest = runtime.copy(attribute.text());
  while (true) {
    const std::string_view part = rest.substr(0, rest.find('.'));
    const bool is_index =
        !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    const std::optional<int64_t> index = is_index ? parse_integer(part, 10) : std::nullopt;
    parts_.push_back(index ? Value::integer(*index) : Value::string(part));
    if (part.size() == rest.size()) return;
    rest.remove_prefix(part.size() + 1);
  }
}

Value follow(Runtime& runtime, Value item, std::span<const Value> parts, const Value& otherwise) {
  for (const Value& part : parts) {
    runtime.step();
    item = get_item(runtime, item, part);
    if (item.is_undefined() && !otherwise.is_missing() && !otherwise.is_none()) item = otherwise;
  }
  return item;
}

std::vector<AttributePath> AttributePath::several(Runtime& runtime, const Value& attribute) {
  std::vector<AttributePath> paths;
  if (!attribute.is_string()) {
    paths.emplace_back(runtime, attribute);
    return paths;
  }
  std::string_view rest = attribute.text();
  while (true) {
    const std::string_view part = rest.substr(0, rest.find(','));
    paths.emplace_back(runtime, Value::string(part));
    if (part.size() == rest.size()) return paths;
    rest.remove_prefix(part.size() + 1);
  }
}

}  // namespace poro::jinja
