// Backslash escapes in string literals, as Python's unicode-escape codec reads them.
#pragma once

#include <string>
#include <string_view>

namespace poro::jinja {

// Appends the value of `literal` to `out`. Returns null, or what is wrong with it.
const char* unescape(std::string_view literal, std::string& out);

}  // namespace poro::jinja
