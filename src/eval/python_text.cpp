#include "eval/python_text.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include "text/unicode.h"

namespace poro::python {
namespace {

template <class Visit>
void for_each_character(std::string_view text, Visit visit) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<int32_t>(text.size());
  for (int32_t at = 0; at < size;) {
    const int32_t begin = at;
    UChar32 character;
    U8_NEXT_OR_FFFD(bytes, at, size, character);
    if (!visit(static_cast<char32_t>(character), static_cast<size_t>(begin), static_cast<size_t>(at))) return;
  }
}

bool has_only_case(std::string_view text, UProperty wanted, UProperty other) {
  bool found = false, pure = true;
  for_each_character(text, [&](char32_t character, size_t, size_t) {
    const auto c = static_cast<UChar32>(character);
    if (u_hasBinaryProperty(c, other) || u_charType(c) == U_TITLECASE_LETTER)
      pure = false;
    else if (u_hasBinaryProperty(c, wanted))
      found = true;
    return pure;
  });
  return found && pure;
}

}  // namespace

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::string_view strip(std::string_view text) {
  size_t begin = text.size(), end = 0;
  for_each_character(text, [&](char32_t character, size_t from, size_t to) {
    if (is_space(character)) return true;
    if (begin > from) begin = from;
    end = to;
    return true;
  });
  return begin < end ? text.substr(begin, end - begin) : text.substr(text.size());
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  size_t word_begin = 0, word_end = 0;
  for_each_character(text, [&](char32_t character, size_t from, size_t to) {
    if (!is_space(character)) {
      if (word_end != from || word_begin == word_end) word_begin = from;
      word_end = to;
      return true;
    }
    if (word_begin < word_end) words.push_back(text.substr(word_begin, word_end - word_begin));
    word_begin = word_end = to;
    return true;
  });
  if (word_begin < word_end) words.push_back(text.substr(word_begin, word_end - word_begin));
  return words;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> pieces;
  for (size_t at; (at = text.find(separator)) != std::string_view::npos;
       text.remove_prefix(at + separator.size()))
    pieces.push_back(text.substr(0, at));
  pieces.push_back(text);
  return pieces;
}

std::string_view lstrip(std::string_view text, std::string_view characters) {
  const size_t at = text.find_first_not_of(characters);
  return text.substr(at == std::string_view::npos ? text.size() : at);
}

std::string_view rstrip(std::string_view text, std::string_view characters) {
  return text.substr(0, text.find_last_not_of(characters) + 1);  // npos + 1 is 0.
}

std::string_view strip(std::string_view text, std::string_view characters) {
  return rstrip(lstrip(text, characters), characters);
}

std::string_view remove_prefix(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

std::string_view remove_suffix(std::string_view text, std::string_view suffix) {
  return text.ends_with(suffix) ? text.substr(0, text.size() - suffix.size()) : text;
}

std::string lower(std::string_view text) {
  icu::UnicodeString wide = icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())});
  wide.toLower(icu::Locale::getRoot());
  std::string result;
  return wide.toUTF8String(result);
}

bool is_upper(std::string_view text) {
  return has_only_case(text, UCHAR_UPPERCASE, UCHAR_LOWERCASE);
}
std::string capitalize(std::string_view text) {
  const std::string_view first = first_character(text);
  if (first.empty()) return "";
  std::string result;
  append_utf8(result, static_cast<char32_t>(u_totitle(static_cast<UChar32>(decode_utf8(first).code_point))));
  return result + lower(text.substr(first.size()));
}

bool is_lower(std::string_view text) {
  return has_only_case(text, UCHAR_LOWERCASE, UCHAR_UPPERCASE);
}

std::string replace(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  for (size_t at; (at = text.find(from)) != std::string_view::npos; text.remove_prefix(at + from.size()))
    result.append(text.substr(0, at)).append(to);
  return result.append(text);
}

std::u32string characters(std::string_view text) {
  std::u32string result;
  for_each_character(text, [&](char32_t character, size_t, size_t) {
    result += character;
    return true;
  });
  return result;
}

std::string_view first_character(std::string_view text) {
  size_t size = 0;
  for_each_character(text, [&](char32_t, size_t, size_t to) {
    size = to;
    return false;
  });
  return text.substr(0, size);
}

}  // namespace poro::python
