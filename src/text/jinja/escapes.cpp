#include "text/jinja/escapes.h"

#include <unicode/uchar.h>

#include <array>

#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') return (c | 0x20) - 'a' + 10;
  return -1;
}

// Exactly `count` hexadecimal digits at `at`, or -1.
int64_t read_hex(std::string_view text, size_t at, size_t count) {
  if (at + count > text.size()) return -1;
  int64_t value = 0;
  for (size_t i = at; i < at + count; ++i) {
    const int digit = hex_digit(text[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

// The codec sees a character outside ASCII already as an escape, so a backslash in front of one makes that
// escape visible.
void append_visible_escape(char32_t point, std::string& out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  const int count = point < 0x100 ? 2 : point < 0x10000 ? 4 : 8;
  out += '\\';
  out += count == 2 ? 'x' : count == 4 ? 'u' : 'U';
  for (int i = count - 1; i >= 0; --i) out += kDigits[(point >> (4 * i)) & 15];
}

// \N{name} with `at` behind the N; moves past it.
const char* append_named(std::string_view text, size_t& at, std::string& out) {
  const size_t close = text.find('}', at);
  if (at >= text.size() || text[at] != '{' || close == std::string_view::npos)
    return "malformed \\N escape in a string";
  const std::string name(text.substr(at + 1, close - at - 1));
  UErrorCode status = U_ZERO_ERROR;
  const UChar32 point = u_charFromName(U_EXTENDED_CHAR_NAME, name.c_str(), &status);
  if (U_FAILURE(status)) return "unknown character name in a string";
  append_character(out, static_cast<char32_t>(point));
  at = close + 1;
  return nullptr;
}

}  // namespace

const char* unescape(std::string_view literal, std::string& out) {
  static constexpr std::string_view kPlain = "\\'\"abfnrtv";
  static constexpr std::string_view kMeaning = "\\'\"\a\b\f\n\r\t\v";
  for (size_t at = 0; at < literal.size();) {
    if (literal[at] != '\\') {
      out += literal[at++];
      continue;
    }
    if (++at == literal.size()) return "a string ends in a backslash";
    const char c = literal[at];
    if (const size_t known = kPlain.find(c); known != std::string_view::npos) {
      out += kMeaning[known];
      ++at;
    } else if (c == '\n') {
      ++at;
    } else if (c >= '0' && c <= '7') {
      char32_t point = 0;
      for (int i = 0; i < 3 && at < literal.size() && literal[at] >= '0' && literal[at] <= '7'; ++i)
        point = point * 8 + static_cast<char32_t>(literal[at++] - '0');
      append_character(out, point);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const size_t count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      const int64_t point = read_hex(literal, at + 1, count);
      if (point < 0) return "truncated escape in a string";
      if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
        return "escape of an invalid character in a string";
      append_character(out, static_cast<char32_t>(point));
      at += 1 + count;
    } else if (c == 'N') {
      if (const char* problem = append_named(literal, ++at, out)) return problem;
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      append_visible_escape(next_character(literal, at), out);
    } else {
      out += '\\';
      out += c;
      ++at;
    }
  }
  return nullptr;
}

}  // namespace poro::jinja
