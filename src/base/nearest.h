// The name someone probably meant: what errors about unknown commands, keys and choices suggest.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace poro {

// The candidate that is nearest to `name` by insertions, deletions and replacements of single bytes; empty
// when none is near enough to be a slip of the keyboard.
std::string nearest(std::string_view name, std::span<const std::string> candidates);

// "; did you mean \"x\"?", or nothing.
std::string suggestion(std::string_view name, std::span<const std::string> candidates);

}  // namespace poro
