// Text laid out in lines: Python's textwrap.wrap and pprint.pformat.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/runtime.h"

namespace poro::jinja {

struct WrapStyle {
  int64_t width = 79;
  bool breaks_long_words = true, breaks_on_hyphens = true;
};

// One paragraph as lines of at most `width` characters, split at spaces and hyphens.
std::vector<std::string> wrap_line(std::string_view text, const WrapStyle& style);

// The repr of a value; lists and dicts that do not fit in 80 columns over several lines, keys of dicts in
// order.
std::string pretty_print(Runtime& runtime, const Value& value);

}  // namespace poro::jinja
