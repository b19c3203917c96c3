// The string methods of Python that public scorers lean on, for UTF-8: what counts as white space, as upper
// case, and how text is lowered decides verdicts, and C's notions differ.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace poro::python {

// str.isspace of one character: wider than Unicode's White_Space by U+001C..U+001F.
bool is_space(char32_t character);

// str.strip(), str.split() and str.split(separator).
std::string_view strip(std::string_view text);
std::vector<std::string_view> split(std::string_view text);
std::vector<std::string_view> split(std::string_view text, std::string_view separator);

// str.lstrip(characters), str.rstrip(characters), str.strip(characters); `characters` is ASCII.
std::string_view lstrip(std::string_view text, std::string_view characters);
std::string_view rstrip(std::string_view text, std::string_view characters);
std::string_view strip(std::string_view text, std::string_view characters);

std::string_view remove_prefix(std::string_view text, std::string_view prefix);
std::string_view remove_suffix(std::string_view text, std::string_view suffix);

// str.lower(): full mapping, final sigma included.
std::string lower(std::string_view text);

// str.capitalize(): the first character in title case, the rest lowered.
std::string capitalize(std::string_view text);

// str.isupper() and str.islower(): there is a cased character, and every cased one has this case.
bool is_upper(std::string_view text);
bool is_lower(std::string_view text);

// str.replace(from, to) for a non-empty `from`.
std::string replace(std::string_view text, std::string_view from, std::string_view to);

// The characters of UTF-8 text; bytes that are none become U+FFFD.
std::u32string characters(std::string_view text);
// The bytes of the first character; empty for empty text.
std::string_view first_character(std::string_view text);

}  // namespace poro::python
