// The `attribute` argument of many filters: "a.b.0" reaches into each item.
#pragma once

#include <vector>

#include "text/jinja/operations.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {

enum class Case : uint8_t { kSensitive, kIgnored };

// A string in lower case, everything else as it is.
inline Value ignore_case(Runtime& runtime, const Value& value) {
  if (!value.is_string()) return value;
  runtime.step_bytes(value.text().size());
  return runtime.string(to_lower(value.text()));
}

// Follows `parts` from `item`; a missing item on the way becomes `otherwise` where that is given.
Value follow(Runtime& runtime, Value item, std::span<const Value> parts, const Value& otherwise);

class AttributePath {
 public:
  // Of none or nothing: the item itself.
  AttributePath(Runtime& runtime, const Value& attribute);
  std::span<const Value> parts() const { return parts_; }
  Value of(Runtime& runtime, const Value& item, const Value& otherwise = Value()) const {
    return follow(runtime, item, parts_, otherwise);
  }

  // "a,b" as several paths.
  static std::vector<AttributePath> several(Runtime& runtime, const Value& attribute);

 private:
  std::vector<Value> parts_;
};

}  // namespace poro::jinja
