// A regular expression over UTF-8 with the meaning that Python's `re` gives it on strings: Unicode classes,
// `.` stops at a line feed only, `^` in multi-line mode holds after every line feed. The scorers we must
// agree with are written in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace poro {

class Pattern {
 public:
  enum Flags : unsigned { kNone = 0, kIgnoreCase = 1, kMultiLine = 2 };

  // Throws Error when the expression is not well formed.
  explicit Pattern(std::string_view expression, unsigned flags = kNone);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  bool found_in(std::string_view text) const;
  size_t count_in(std::string_view text) const;
  // Every match, left to right, without overlap.
  std::vector<std::string_view> all_in(std::string_view text) const;
  // The pieces between the matches: always one more than there are matches.
  std::vector<std::string_view> split(std::string_view text) const;
  // All matches replaced; `$1` in `replacement` is the first group.
  std::string replaced(std::string_view text, const std::string& replacement) const;

  // The groups of one match, whole match first; a group that took no part has a null data().
  using Groups = std::vector<std::string_view>;
  void for_each(std::string_view text, const std::function<void(const Groups&)>& visit) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace poro
