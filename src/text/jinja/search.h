// Text in text, in time that grows with the text alone: the standard library's search is quadratic where a
// template wants it to be.
#pragma once

#include <string>
#include <string_view>

namespace poro::jinja {

// Where `part` first begins at or behind `from`; npos if it does not.
size_t find_text(std::string_view text, std::string_view part, size_t from = 0);

// The same from the end, again and again in one text.
class BackwardSearch {
 public:
  BackwardSearch(std::string_view text, std::string_view part);
  // Where `part` last begins so that it ends at or before `end`; npos if it does not.
  size_t before(size_t end) const;

 private:
  std::string text_, part_;  // Reversed.
};

}  // namespace poro::jinja
