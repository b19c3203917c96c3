#include "text/byte_level.h"

#include "text/unicode.h"

namespace poro {

ByteAlphabet::ByteAlphabet() {
  bytes_.fill(-1);
  char32_t next = 0x100;  // Bytes that do not print as themselves count on from here.
  for (int byte = 0; byte < 256; ++byte) {
    const bool prints = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    characters_[byte] = prints ? static_cast<char32_t>(byte) : next++;
    bytes_[characters_[byte]] = byte;
  }
}

const ByteAlphabet& ByteAlphabet::get() {
  static const ByteAlphabet alphabet;
  return alphabet;
}

std::string ByteAlphabet::to_text(std::string_view bytes) const {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes) append_utf8(text, characters_[static_cast<unsigned char>(byte)]);
  return text;
}

std::optional<std::string> ByteAlphabet::to_bytes(std::string_view text) const {
  std::string bytes;
  bytes.reserve(text.size());
  for (const char* at = text.data(); at < text.data() + text.size();) {
    const char32_t code_point = next_code_point(at);
    if (code_point >= bytes_.size() || bytes_[code_point] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(bytes_[code_point]));
  }
  return bytes;
}

}  // namespace poro
