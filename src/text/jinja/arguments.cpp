#include "text/jinja/arguments.h"

#include <algorithm>

namespace poro::jinja {

void bind_to(std::string_view what, const Arguments& arguments, std::span<const std::string_view> names,
             std::span<Value> bound) {
  if (arguments.positional.size() > names.size())
    fail("{} takes at most {} arguments, not {}", what, names.size(), arguments.positional.size());
  std::copy(arguments.positional.begin(), arguments.positional.end(), bound.begin());
  for (const Named& named : arguments.named) {
    const auto found = std::find(names.begin(), names.end(), named.name);
    if (found == names.end()) fail("{} has no argument \"{}\"", what, named.name);
    Value& place = bound[static_cast<size_t>(found - names.begin())];
    if (!place.is_missing()) fail("{} is given the argument \"{}\" twice", what, named.name);
    place = named.value;
  }
}

void bind_nothing(std::string_view what, const Arguments& arguments) {
  if (!arguments.positional.empty() || !arguments.named.empty()) fail("{} takes no arguments", what);
}

int64_t integer_argument(std::string_view what, const Value& value) {
  if (!defined(value).is_integral())
    fail("{} needs an integer, not a value of type {}", what, type_name(value));
  return value.integer();
}

int64_t integer_argument(std::string_view what, const Value& value, int64_t otherwise) {
  return value.is_missing() ? otherwise : integer_argument(what, value);
}

std::string_view string_argument(std::string_view what, const Value& value) {
  if (!defined(value).is_string()) fail("{} needs a string, not a value of type {}", what, type_name(value));
  return value.text();
}

bool flag_argument(Runtime& runtime, const Value& value, bool otherwise) {
  return value.is_missing() ? otherwise : is_true(runtime, value);
}

const Value& required(std::string_view what, std::string_view name, const Value& value) {
  if (value.is_missing()) fail("{} needs the argument \"{}\"", what, name);
  return value;
}

}  // namespace poro::jinja
