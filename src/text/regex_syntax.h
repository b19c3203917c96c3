// Oniguruma's regular expressions rewritten for PCRE2.
#pragma once

#include <string>
#include <string_view>

namespace poro {

// Throws Error naming what PCRE2 has no equal for. `pattern` is valid UTF-8.
std::string translate_ruby_regex(std::string_view pattern);

}  // namespace poro
