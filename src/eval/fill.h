// Prompts with gaps: "{question}" becomes the question. One pass, so what is filled in is never itself
// filled.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace poro {

using Gaps = std::map<std::string, std::string, std::less<>>;

// Braces that name no gap stay as they are.
std::string fill(std::string_view text, const Gaps& gaps);

}  // namespace poro
