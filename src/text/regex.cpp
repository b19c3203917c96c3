#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"
#include "text/regex_syntax.h"
#include "text/unicode.h"

namespace poro {

struct Regex::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

namespace {

constexpr size_t kMaxPatternBytes = 1 << 16;
constexpr size_t kJitStackBytes = size_t{32} << 20;  // Grows on demand; long runs of one class need it.

// What one thread needs to match.
struct Matcher {
  pcre2_match_data* data = pcre2_match_data_create(32, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 << 10, kJitStackBytes, nullptr);
  Matcher() { pcre2_jit_stack_assign(context, nullptr, stack); }
  ~Matcher() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;
};

Matcher& matcher() {
  thread_local Matcher matcher;
  return matcher;
}

std::string message_of(int error) {
  char buffer[256];
  pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(buffer), sizeof buffer);
  return buffer;
}

}  // namespace

Regex::Regex(std::string_view pattern, Syntax syntax) : pattern_(pattern) {
  if (pattern.size() > kMaxPatternBytes)
    fail("a regular expression of {} bytes is longer than the {} allowed", pattern.size(), kMaxPatternBytes);
  const std::string translated =
      syntax == Syntax::kLiteral ? std::string(pattern) : translate_ruby_regex(pattern);
  const uint32_t options = syntax == Syntax::kLiteral
                               ? PCRE2_UTF | PCRE2_LITERAL
                               : PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  int error = 0;
  PCRE2_SIZE at = 0;
  auto code = std::make_shared<Code>();
  code->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(), options,
                             &error, &at, nullptr);
  if (code->code == nullptr)
    fail("cannot compile the regular expression \"{}\": {}", pattern, message_of(error));
  pcre2_jit_compile(code->code, PCRE2_JIT_COMPLETE);  // Without it (another machine) the interpreter serves.
  code_ = std::move(code);
}

void Regex::for_each_match(std::string_view text, const std::function<void(size_t, size_t)>& found) const {
  Matcher& thread = matcher();
  constexpr size_t kNone = ~size_t{0};
  size_t from = 0, last_end = kNone;
  while (from <= text.size()) {
    const int status = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                   PCRE2_NO_UTF_CHECK, thread.data, thread.context);
    if (status == PCRE2_ERROR_NOMATCH) return;
    if (status < 0)
      fail("the regular expression \"{}\" gave up on a text of {} bytes: {}", pattern_, text.size(),
           message_of(status));
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(thread.data);
    const size_t start = range[0], end = range[1];
    if (end <= start && end == last_end) {
      if (from == text.size()) return;
      from += decode_utf8(text.substr(from)).length;
      continue;
    }
    from = last_end = end;
    found(start, end);
  }
}

}  // namespace poro
