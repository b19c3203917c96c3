// UTF-8 and the character classes of Unicode 16: what the Rust `tokenizers` library's regular expressions
// decide about a character decides here too, whatever Unicode version the installed ICU and PCRE2 know.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace poro {

constexpr char32_t kReplacementCharacter = 0xFFFD;
constexpr char32_t kNumCodePoints = 0x110000;

// The first character of a non-empty text. An ill-formed sequence decodes to U+FFFD over its maximal subpart
// (the longest start of a well-formed sequence, at least one byte), which is how Python's errors="replace"
// and the Unicode Standard (3.9, U+FFFD) cut it.
struct Utf8Char {
  char32_t code_point;
  uint8_t length;  // bytes
  bool is_well_formed;
};
Utf8Char decode_utf8(std::string_view text);

// The same for text known to be valid; moves `at` behind the character.
inline char32_t next_code_point(const char*& at) {
  const auto byte = [&](int i) { return static_cast<char32_t>(static_cast<unsigned char>(at[i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return at += 1, lead;
  if (lead < 0xE0) {
    const char32_t code_point = (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    return at += 2, code_point;
  }
  if (lead < 0xF0) {
    const char32_t code_point = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    return at += 3, code_point;
  }
  const char32_t code_point =
      (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  return at += 4, code_point;
}

bool is_valid_utf8(std::string_view text);

// `text` with every ill-formed part replaced by U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

// How many bytes at the end of `text` begin a character that more bytes could complete (0 to 3).
size_t incomplete_utf8_tail(std::string_view text);

void append_utf8(std::string& text, char32_t code_point);

enum class CharClass : uint8_t {
  kOther,
  kLetter,
  kNumber,
  kSpace,
  kNewline
};  // \p{L} \p{N} \s, and \r \n apart from \s

// One byte per code point in two stages, as a few hundred blocks of 256 are distinct.
class UnicodeTables {
 public:
  static const UnicodeTables& get();

  CharClass char_class(char32_t code_point) const { return classes_[index(code_point)]; }
  uint8_t category(char32_t code_point) const {
    return categories_[index(code_point)];
  }  // ICU's UCharCategory
  bool is_letter(char32_t code_point) const { return char_class(code_point) == CharClass::kLetter; }
  bool is_number(char32_t code_point) const { return char_class(code_point) == CharClass::kNumber; }
  bool is_space(char32_t code_point) const { return char_class(code_point) >= CharClass::kSpace; }
  bool is_punctuation(char32_t code_point) const;  // \p{P}
  bool is_word(char32_t code_point) const;         // Alphabetic, marks, decimal digits, connector punctuation

 private:
  UnicodeTables();
  size_t index(char32_t code_point) const {
    return size_t{blocks_[code_point >> 8]} << 8 | (code_point & 0xFF);
  }

  std::array<uint16_t, (kNumCodePoints >> 8)> blocks_;
  std::vector<uint8_t> categories_;
  std::vector<CharClass> classes_;
};

}  // namespace poro
