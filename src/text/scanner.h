// Hand-written scanners of the pre-tokenizer patterns that most byte-level models use. Each cuts a text into
// the very pieces the pattern's matches are, in one pass: the class of a character decides which alternative
// can match, so nothing is tried in vain.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "text/unicode.h"

namespace poro {

enum class KnownPattern {
  kLlama3,  // (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
            // ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
  kQwen2,   // the same with \p{N} for \p{N}{1,3}
  kGpt2,    // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
};

// `text` is valid UTF-8.
template <KnownPattern pattern>
class Scanner {
 public:
  explicit Scanner(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  bool is_done() const { return at_ == end_; }

  // The next piece; not to be called when done.
  std::string_view next() {
    const char* start = at_;
    at_ = end_of_piece(start);
    return {start, static_cast<size_t>(at_ - start)};
  }

 private:
  struct Character {
    CharClass char_class;
    const char* end;
  };

  Character read(const char* at) const {
    const auto byte = static_cast<unsigned char>(*at);
    if (byte < 0x80) return {ascii_[byte], at + 1};
    const char32_t code_point = next_code_point(at);
    return {tables_.char_class(code_point), at};
  }

  static bool is_space(CharClass char_class) { return char_class >= CharClass::kSpace; }

  const char* skip(const char* at, CharClass char_class) const {
    while (at != end_) {
      const Character c = read(at);
      if (c.char_class != char_class) break;
      at = c.end;
    }
    return at;
  }

  const char* skip_letters(const char* at) const {
    while (true) {
      at = skip_ascii_letters(at);
      if (at == end_) return at;
      const Character c = read(at);
      if (c.char_class != CharClass::kLetter) return at;
      at = c.end;
    }
  }

  // Eight bytes at a time: a branch that depends on where a word ends is foreseen about never.
  const char* skip_ascii_letters(const char* at) const {
    constexpr uint64_t kEach = 0x0101010101010101;
    for (; end_ - at >= 8; at += 8) {
      uint64_t bytes = 0;
      std::memcpy(&bytes, at, 8);
      const uint64_t lower = (bytes | 0x20 * kEach) & 0x7F * kEach;
      const uint64_t from_a = lower + (0x80 - 'a') * kEach, above_z = lower + (0x7F - 'z') * kEach;
      const uint64_t others = ~(from_a & ~above_z & ~bytes) & 0x80 * kEach;
      if (others != 0) return at + (__builtin_ctzll(others) >> 3);
    }
    return at;
  }

  const char* end_of_piece(const char* start) const {
    const Character first = read(start);
    if (*start == '\'') {
      if (const char* end = end_of_contraction(start + 1)) return end;
    }
    if (first.char_class == CharClass::kLetter) return skip_letters(first.end);
    if constexpr (pattern == KnownPattern::kGpt2) {
      return end_in_gpt2(start, first);
    } else {
      return end_in_llama3(start, first);
    }
  }

  const char* end_in_llama3(const char* start, Character first) const {
    if (first.char_class == CharClass::kNumber) return end_of_number(first.end);
    const bool has_second = first.end != end_;
    const Character second = has_second ? read(first.end) : Character{CharClass::kNewline, end_};
    if (first.char_class != CharClass::kNewline && has_second && second.char_class == CharClass::kLetter)
      return skip_letters(second.end);
    if (first.char_class == CharClass::kOther) return skip_newlines(skip(first.end, CharClass::kOther));
    if (*start == ' ' && has_second && second.char_class == CharClass::kOther)
      return skip_newlines(skip(second.end, CharClass::kOther));
    return end_of_space(start, first.end);
  }

  const char* end_in_gpt2(const char* start, Character first) const {
    if (first.char_class == CharClass::kNumber || first.char_class == CharClass::kOther)
      return skip(first.end, first.char_class);
    if (*start == ' ' && first.end != end_) {
      const Character second = read(first.end);
      if (!is_space(second.char_class)) return skip(second.end, second.char_class);
    }
    return end_of_space(start, first.end);
  }

  const char* end_of_number(const char* at) const {
    if constexpr (pattern == KnownPattern::kQwen2) return at;
    for (int digits = 1; digits < 3 && at != end_; ++digits) {
      const Character c = read(at);
      if (c.char_class != CharClass::kNumber) break;
      at = c.end;
    }
    return at;
  }

  const char* skip_newlines(const char* at) const {
    while (at != end_ && (*at == '\r' || *at == '\n')) ++at;
    return at;
  }

  // A run of white space ends after its last newline (not so in GPT-2's); else before its last character,
  // which goes with what follows; else, at the end of the text or with one character, where it ends.
  const char* end_of_space(const char* start, const char* second) const {
    const char* after_newline = nullptr;
    const char* last = start;
    const char* at = start;
    while (at != end_) {
      const Character c = read(at);
      if (!is_space(c.char_class)) break;
      last = at;
      at = c.end;
      if (c.char_class == CharClass::kNewline) after_newline = at;
    }
    if (pattern != KnownPattern::kGpt2 && after_newline != nullptr) return after_newline;
    if (at == end_ || at == second) return at;
    return last;
  }

  // The end of s, t, re, ve, m, ll or d at `at`, or null. Without case, U+017F is an s too.
  const char* end_of_contraction(const char* at) const {
    const auto letter = [&](const char* place) -> char {
      if (place >= end_) return 0;
      if constexpr (pattern == KnownPattern::kGpt2) return *place;
      return *place >= 'A' && *place <= 'Z' ? static_cast<char>(*place | 0x20) : *place;
    };
    const char first = letter(at);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 1;
    const char second = first == 0 ? '\0' : letter(at + 1);
    if ((first == 'r' || first == 'v') && second == 'e') return at + 2;
    if (first == 'l' && second == 'l') return at + 2;
    if (pattern != KnownPattern::kGpt2 &&
        std::string_view(at, static_cast<size_t>(end_ - at)).starts_with("\u017F"))
      return at + 2;
    return nullptr;
  }

  static const std::array<CharClass, 128>& ascii_classes() {
    static const std::array<CharClass, 128> classes = [] {
      std::array<CharClass, 128> all;
      for (char32_t c = 0; c < 128; ++c) all[c] = UnicodeTables::get().char_class(c);
      return all;
    }();
    return classes;
  }

  const char* at_;
  const char* end_;
  const UnicodeTables& tables_ = UnicodeTables::get();
  const std::array<CharClass, 128>& ascii_ = ascii_classes();
};

}  // namespace poro
