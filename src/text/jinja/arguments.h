// Reads the arguments of a filter, test, method or global function by position and name, as a Python
// signature would.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "base/error.h"
#include "text/jinja/operations.h"
#include "text/jinja/value.h"

namespace poro::jinja {

// Binds to parameters with these names; those not given stay missing. `what` names the function in errors.
void bind_to(std::string_view what, const Arguments& arguments, std::span<const std::string_view> names,
             std::span<Value> bound);

// auto [width, first] = bind("indent", arguments, {"width", "first"});
template <size_t N>
std::array<Value, N> bind(std::string_view what, const Arguments& arguments,
                          const std::string_view (&names)[N]) {
  std::array<Value, N> bound;
  bind_to(what, arguments, names, bound);
  return bound;
}

// Throws if anything was given.
void bind_nothing(std::string_view what, const Arguments& arguments);

// One bound argument as the type it must have, or `otherwise` where it is missing.
int64_t integer_argument(std::string_view what, const Value& value, int64_t otherwise);
int64_t integer_argument(std::string_view what, const Value& value);
std::string_view string_argument(std::string_view what, const Value& value);
bool flag_argument(Runtime& runtime, const Value& value, bool otherwise);
// Throws for a missing one.
const Value& required(std::string_view what, std::string_view name, const Value& value);

}  // namespace poro::jinja
