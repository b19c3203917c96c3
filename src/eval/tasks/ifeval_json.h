// Whether Python's json module reads a text. It takes NaN, Infinity, numbers of any size and halves of
// surrogate pairs, which the JSON libraries refuse, so the grammar is written out here.
#pragma once

#include <string_view>

namespace poro::ifeval {

bool is_python_json(std::string_view text);

}  // namespace poro::ifeval
