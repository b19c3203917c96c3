#include "text/jinja/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/edits.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace poro::jinja {
namespace {

using Mapping = void (*)(const char* locale, uint32_t options, icu::StringPiece, icu::ByteSink&, icu::Edits*,
                         UErrorCode&);

std::string map_case(std::string_view text, Mapping mapping) {
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode status = U_ZERO_ERROR;
  mapping("", 0, {text.data(), static_cast<int32_t>(text.size())}, sink, nullptr, status);
  return U_SUCCESS(status) ? out : std::string(text);
}

// The full title case mapping of one character ("ß" gives "Ss").
std::string title_of(std::string_view character) {
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode status = U_ZERO_ERROR;
  icu::CaseMap::utf8ToTitle(
      "", U_TITLECASE_NO_BREAK_ADJUSTMENT | U_TITLECASE_NO_LOWERCASE | U_TITLECASE_WHOLE_STRING, nullptr,
      {character.data(), static_cast<int32_t>(character.size())}, sink, nullptr, status);
  return U_SUCCESS(status) ? out : std::string(character);
}

bool has(char32_t point, UProperty property) {
  return u_hasBinaryProperty(static_cast<UChar32>(point), property);
}
bool is_cased(char32_t point) {
  return has(point, UCHAR_CASED);
}

}  // namespace

char32_t next_character(std::string_view text, size_t& at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) {
    ++at;
    return first;
  }
  int64_t i = static_cast<int64_t>(at);
  const int64_t size = static_cast<int64_t>(text.size());
  UChar32 point;
  U8_NEXT(text.data(), i, size, point);
  if (point < 0) {
    ++at;
    return 0xfffd;
  }
  at = static_cast<size_t>(i);
  return static_cast<char32_t>(point);
}

size_t character_bytes(std::string_view text, size_t at) {
  size_t end = at;
  next_character(text, end);
  return end - at;
}

void append_character(std::string& out, char32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
    return;
  }
  char bytes[U8_MAX_LENGTH];
  int length = 0;
  U8_APPEND_UNSAFE(bytes, length, static_cast<UChar32>(point));
  out.append(bytes, static_cast<size_t>(length));
}

bool is_ascii(std::string_view text) {
  unsigned char all = 0;
  for (const char c : text) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}

namespace {

// How many ASCII characters, `limit` at most, stand together from `at` on; in eights, and one by one at the
// end.
size_t ascii_run(std::string_view text, size_t at, size_t limit) {
  const size_t end = std::min(text.size() - at, limit);
  size_t count = 0;
  for (uint64_t bytes = 0; count + 8 <= end; count += 8) {
    std::memcpy(&bytes, text.data() + at + count, 8);
    if ((bytes & 0x8080808080808080) != 0) break;
  }
  while (count < end && static_cast<unsigned char>(text[at + count]) < 0x80) ++count;
  return count;
}

}  // namespace

size_t count_characters(std::string_view text) {
  size_t continued = 0;
  for (const char c : text) continued += static_cast<signed char>(c) < -0x40 ? 1 : 0;  // 0x80 to 0xbf.
  return text.size() - continued;
}

size_t byte_offset(std::string_view text, size_t character) {
  size_t at = 0;
  while (character > 0 && at < text.size()) {
    const size_t ascii = ascii_run(text, at, character);
    at += ascii;
    character -= ascii;
    if (character == 0 || at == text.size()) break;
    next_character(text, at);
    --character;
  }
  return at;
}

bool is_space(char32_t point) {
  if (point < 0x80) return (point >= 9 && point <= 13) || (point >= 28 && point <= 32);
  return point == 0x85 || u_charType(static_cast<UChar32>(point)) == U_SPACE_SEPARATOR || point == 0x2028 ||
         point == 0x2029;
}

size_t skip_whitespace(std::string_view text, size_t from) {
  while (from < text.size()) {
    size_t next = from;
    if (!is_space(next_character(text, next))) break;
    from = next;
  }
  return from;
}

size_t trailing_whitespace(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    size_t start = end - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xc0) == 0x80) --start;
    size_t at = start;
    if (!is_space(next_character(text.substr(0, end), at)) || at != end) break;
    end = start;
  }
  return text.size() - end;
}

size_t skip_identifier(std::string_view text, size_t from) {
  while (from < text.size()) {
    size_t next = from;
    const char32_t point = next_character(text, next);
    const bool accepted = point < 0x80
                              ? point == '_' || (point >= '0' && point <= '9') ||
                                    ((point | 0x20) >= 'a' && (point | 0x20) <= 'z')
                              : point != 0xfffd && (has(point, UCHAR_XID_CONTINUE) || is_alphanumeric(point));
    if (!accepted) break;
    from = next;
  }
  return from;
}

bool is_identifier(std::string_view text) {
  if (text.empty()) return false;
  for (size_t at = 0; at < text.size();) {
    const bool is_first = at == 0;
    const char32_t point = next_character(text, at);
    if (point == '_') continue;
    if (!has(point, is_first ? UCHAR_XID_START : UCHAR_XID_CONTINUE)) return false;
  }
  return true;
}

bool is_printable(char32_t point) {
  if (point < 0x80) return point >= 32 && point < 127;
  switch (u_charType(static_cast<UChar32>(point))) {
    case U_CONTROL_CHAR:
    case U_FORMAT_CHAR:
    case U_SURROGATE:
    case U_PRIVATE_USE_CHAR:
    case U_UNASSIGNED:
    case U_LINE_SEPARATOR:
    case U_PARAGRAPH_SEPARATOR:
    case U_SPACE_SEPARATOR:
      return false;
    default:
      return true;
  }
}

bool is_cased_upper(char32_t point) {
  return has(point, UCHAR_UPPERCASE);
}
bool is_cased_lower(char32_t point) {
  return has(point, UCHAR_LOWERCASE);
}
bool is_title(char32_t point) {
  return u_charType(static_cast<UChar32>(point)) == U_TITLECASE_LETTER;
}
bool is_letter(char32_t point) {
  const int8_t type = u_charType(static_cast<UChar32>(point));
  return type >= U_UPPERCASE_LETTER && type <= U_OTHER_LETTER;
}
bool is_decimal(char32_t point) {
  return u_charType(static_cast<UChar32>(point)) == U_DECIMAL_DIGIT_NUMBER;
}
bool is_digit_like(char32_t point) {
  const int32_t type = u_getIntPropertyValue(static_cast<UChar32>(point), UCHAR_NUMERIC_TYPE);
  return type == U_NT_DECIMAL || type == U_NT_DIGIT;
}
bool is_numeric_like(char32_t point) {
  return u_getIntPropertyValue(static_cast<UChar32>(point), UCHAR_NUMERIC_TYPE) != U_NT_NONE;
}
bool is_alphanumeric(char32_t point) {
  return is_letter(point) || is_numeric_like(point);
}
int decimal_value(char32_t point) {
  return is_decimal(point) ? u_charDigitValue(static_cast<UChar32>(point)) : -1;
}

std::string to_upper(std::string_view text) {
  if (!is_ascii(text)) return map_case(text, icu::CaseMap::utf8ToUpper);
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return out;
}

std::string to_lower(std::string_view text) {
  if (!is_ascii(text)) return map_case(text, icu::CaseMap::utf8ToLower);
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::string to_casefold(std::string_view text) {
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode status = U_ZERO_ERROR;
  icu::CaseMap::utf8Fold(0, {text.data(), static_cast<int32_t>(text.size())}, sink, nullptr, status);
  return out;
}

std::string to_title_case(std::string_view text) {
  const std::string lower = to_lower(text);
  std::string out;
  bool was_cased = false;
  // Lower-casing first keeps a final sigma right; it never changes which characters are cased, nor their
  // order.
  size_t at_lower = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t point = next_character(text, at);
    const std::string lowered = to_lower(text.substr(start, at - start));
    const size_t lower_start = at_lower;
    for (size_t i = 0, n = count_characters(lowered); i < n && at_lower < lower.size(); ++i)
      next_character(lower, at_lower);
    if (was_cased) {
      out.append(lower, lower_start, at_lower - lower_start);
    } else {
      out += title_of(text.substr(start, at - start));
    }
    was_cased = is_cased(point);
  }
  return out;
}

std::string to_capitalized(std::string_view text) {
  if (text.empty()) return {};
  const size_t first = character_bytes(text, 0);
  const std::string lower = to_lower(text);
  const size_t lowered_first = byte_offset(lower, count_characters(to_lower(text.substr(0, first))));
  return title_of(text.substr(0, first)) + lower.substr(lowered_first);
}

std::string to_swapped_case(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t point = next_character(text, at);
    const std::string_view character = text.substr(start, at - start);
    out += is_cased_upper(point)   ? to_lower(character)
           : is_cased_lower(point) ? to_upper(character)
                                   : std::string(character);
  }
  return out;
}

}  // namespace poro::jinja
