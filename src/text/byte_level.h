// GPT-2's alphabet: each byte has a printable character, so that a byte-level vocabulary can be written as
// text ("Ġ" is a space). Inside poro tokens are raw bytes; the alphabet appears only where tokenizer.json is
// read or written.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace poro {

class ByteAlphabet {
 public:
  static const ByteAlphabet& get();

  char32_t character(unsigned char byte) const { return characters_[byte]; }
  std::string to_text(std::string_view bytes) const;
  // Nothing if a character is not of the alphabet. `text` is valid UTF-8.
  std::optional<std::string> to_bytes(std::string_view text) const;

 private:
  ByteAlphabet();

  std::array<char32_t, 256> characters_;
  std::array<int, 0x144> bytes_;  // By code point; -1 where it stands for no byte.
};

}  // namespace poro
