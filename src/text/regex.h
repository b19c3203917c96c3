// Regular expressions as the Rust reference's engine (Oniguruma, Ruby syntax) reads them, run by PCRE2 with
// its JIT compiler. The pattern is translated: \h, \u, ^ and $ differ, and properties get the characters that
// PCRE2's Unicode version does not know yet.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace poro {

class Regex {
 public:
  enum class Syntax { kRegex, kLiteral };

  // Throws Error naming the pattern if it cannot be compiled.
  Regex(std::string_view pattern, Syntax syntax);

  // Calls `found(start, end)` for the matches in valid UTF-8 from left to right. An empty match directly
  // behind a match is not one. Throws Error if the pattern needs more steps or memory than PCRE2 allows.
  void for_each_match(std::string_view text, const std::function<void(size_t, size_t)>& found) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
  std::string pattern_;
};

}  // namespace poro
