#include "text/unicode.h"

#include <simdjson.h>

namespace poro {
namespace {

struct ByteRange {
  unsigned char low, high;
};

// The second byte's range excludes overlong forms, surrogates and what lies beyond U+10FFFF (Unicode
// Standard, table 3-7).
ByteRange second_byte_range(unsigned char lead) {
  switch (lead) {
    case 0xE0:
      return {0xA0, 0xBF};
    case 0xED:
      return {0x80, 0x9F};
    case 0xF0:
      return {0x90, 0xBF};
    case 0xF4:
      return {0x80, 0x8F};
    default:
      return {0x80, 0xBF};
  }
}

int sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

// How many bytes at the start of `text` agree with one well-formed sequence.
int well_formed_bytes(std::string_view text, int length) {
  const auto lead = static_cast<unsigned char>(text[0]);
  ByteRange range = second_byte_range(lead);
  int i = 1;
  for (; i < length && static_cast<size_t>(i) < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < range.low || byte > range.high) break;
    range = {0x80, 0xBF};
  }
  return i;
}

}  // namespace

Utf8Char decode_utf8(std::string_view text) {
  const int length = sequence_length(static_cast<unsigned char>(text[0]));
  if (length == 0) return {kReplacementCharacter, 1, false};
  const int good = well_formed_bytes(text, length);
  if (good < length) return {kReplacementCharacter, static_cast<uint8_t>(good), false};
  const char* at = text.data();
  return {next_code_point(at), static_cast<uint8_t>(length), true};
}

bool is_valid_utf8(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const Utf8Char c = decode_utf8(text);
    if (c.is_well_formed)
      valid.append(text.substr(0, c.length));
    else
      append_utf8(valid, kReplacementCharacter);
    text.remove_prefix(c.length);
  }
  return valid;
}

size_t incomplete_utf8_tail(std::string_view text) {
  for (size_t tail = 1; tail <= 3 && tail <= text.size(); ++tail) {
    const std::string_view end = text.substr(text.size() - tail);
    const int length = sequence_length(static_cast<unsigned char>(end[0]));
    if (length == 0) continue;  // A continuation byte, or none at all: look further left.
    return static_cast<size_t>(length) > tail && well_formed_bytes(end, length) == static_cast<int>(tail)
               ? tail
               : 0;
  }
  return 0;
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6), put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12), put(0x80 | (code_point >> 6 & 0x3F)), put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18), put(0x80 | (code_point >> 12 & 0x3F)), put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

}  // namespace poro
