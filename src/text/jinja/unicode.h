// Characters in UTF-8 text, as Python counts and classifies them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace poro::jinja {

// The character at `at`, which moves past it. Broken UTF-8 counts byte by byte, as U+FFFD.
char32_t next_character(std::string_view text, size_t& at);
size_t character_bytes(std::string_view text, size_t at);
void append_character(std::string& out, char32_t point);
size_t count_characters(std::string_view text);  // Of valid UTF-8.
// The byte where the character with this index starts; the end if there are fewer.
size_t byte_offset(std::string_view text, size_t character);
bool is_ascii(std::string_view text);

// str.isspace(), which regular expressions call \s too.
bool is_space(char32_t point);
size_t skip_whitespace(std::string_view text, size_t from);
size_t trailing_whitespace(std::string_view text);  // In bytes.

size_t skip_identifier(std::string_view text, size_t from);
bool is_identifier(std::string_view text);
bool is_printable(char32_t point);  // str.isprintable()
bool is_cased_upper(char32_t point);
bool is_cased_lower(char32_t point);
bool is_title(char32_t point);
bool is_letter(char32_t point);
bool is_alphanumeric(char32_t point);
bool is_decimal(char32_t point);
bool is_digit_like(char32_t point);    // str.isdigit()
bool is_numeric_like(char32_t point);  // str.isnumeric()
int decimal_value(char32_t point);     // -1 for none.

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string to_casefold(std::string_view text);
std::string to_title_case(std::string_view text);   // str.title()
std::string to_capitalized(std::string_view text);  // str.capitalize()
std::string to_swapped_case(std::string_view text);

}  // namespace poro::jinja
