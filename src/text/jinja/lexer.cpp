#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "base/error.h"
#include "text/jinja/escapes.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

// Line ends become \n, and one at the end of the source goes.
std::string normalise(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      text += source[i];
    }
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) root();
    push(TokenKind::kEnd);
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what, int line) { fail("line {}: {}", line, what); }
  [[noreturn]] void refuse(std::string_view what) { refuse(what, line_); }

  bool looking_at(std::string_view text) const { return source_.substr(at_, text.size()) == text; }

  Token& push(TokenKind kind, std::string text = {}) {
    tokens_.push_back({.kind = kind, .text = std::move(text), .line = line_});
    return tokens_.back();
  }

  // Everything up to `end` is read; what was read last decides whether the next text starts a line.
  void advance_to(size_t end) {
    line_ += static_cast<int>(std::count(source_.begin() + at_, source_.begin() + end, '\n'));
    if (end > at_) at_line_start_ = source_[end - 1] == '\n';
    at_ = end;
  }

  char sign_at(size_t place) const {
    return place < source_.size() && (source_[place] == '-' || source_[place] == '+') ? source_[place] : ' ';
  }

  // The end of a tag's closing mark `close` at `place` with its sign and what it swallows, or npos.
  size_t closing_end(std::string_view close, size_t place) const {
    const char sign = sign_at(place);
    const bool is_block = close != "}}";
    if (sign == '+' && !is_block) return std::string_view::npos;
    size_t end = place + (sign == ' ' ? 0 : 1);
    if (source_.substr(end, close.size()) != close) return std::string_view::npos;
    end += close.size();
    if (sign == '-') return skip_whitespace(source_, end);
    if (sign == ' ' && is_block && end < source_.size() && source_[end] == '\n') ++end;
    return end;
  }

  // Text in front of a tag, as `sign` and the rule for blocks alone on a line leave it.
  void data(std::string_view text, char sign, bool is_block) {
    if (sign == '-') {
      text = text.substr(0, text.size() - trailing_whitespace(text));
    } else if (sign != '+' && is_block) {
      const size_t newline = text.rfind('\n');
      const size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
      if ((line_start > 0 || at_line_start_) && skip_whitespace(text, line_start) == text.size())
        text = text.substr(0, line_start);
    }
    if (!text.empty()) push(TokenKind::kData, std::string(text));
  }

  // Text and then one tag.
  void root() {
    size_t tag = at_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == std::string_view::npos || tag + 1 >= source_.size()) tag = source_.size();
      if (tag == source_.size()) break;
      const char mark = source_[tag + 1];
      if (mark == '{' || mark == '%' || mark == '#') break;
      ++tag;
    }
    if (tag == source_.size()) {
      push(TokenKind::kData, std::string(source_.substr(at_)));
      return advance_to(tag);
    }
    const char mark = source_[tag + 1];
    const char sign = sign_at(tag + 2);
    data(source_.substr(at_, tag - at_), sign, mark != '{');
    advance_to(tag);
    if (mark == '%') {
      if (const size_t end = raw_begin_end(); end != std::string_view::npos) {
        advance_to(end);
        return raw();
      }
    }
    advance_to(tag + (sign == ' ' ? 2 : 3));
    if (mark == '#') return comment();
    push(mark == '{' ? TokenKind::kVariableBegin : TokenKind::kBlockBegin);
    inside(mark == '{' ? "}}" : "%}", mark == '{' ? TokenKind::kVariableEnd : TokenKind::kBlockEnd);
  }

  // `{% word` at `place` (with a sign or not): where the word ends, or npos.
  size_t after_keyword(size_t place, std::string_view word) const {
    size_t end = place + (sign_at(place + 2) == ' ' ? 2 : 3);
    end = skip_whitespace(source_, end);
    if (source_.substr(end, word.size()) != word) return std::string_view::npos;
    return skip_whitespace(source_, end + word.size());
  }

  size_t raw_begin_end() const {
    const size_t end = after_keyword(at_, "raw");
    if (end == std::string_view::npos) return end;
    if (source_.substr(end, 2) == "%}") return end + 2;
    if (source_.substr(end, 3) == "-%}") return skip_whitespace(source_, end + 3);
    return std::string_view::npos;
  }

  void raw() {
    for (size_t tag = source_.find("{%", at_); tag != std::string_view::npos;
         tag = source_.find("{%", tag + 1)) {
      const size_t word_end = after_keyword(tag, "endraw");
      if (word_end == std::string_view::npos) continue;
      const size_t end = closing_end("%}", word_end);
      if (end == std::string_view::npos) continue;
      data(source_.substr(at_, tag - at_), sign_at(tag + 2), true);
      return advance_to(end);
    }
    refuse("a raw block is not closed");
  }

  void comment() {
    const size_t mark = source_.find("#}", at_);
    if (mark == std::string_view::npos) refuse("a comment is not closed");
    // The sign belongs to the end unless it is the one that opened the comment.
    advance_to(closing_end("#}", mark > at_ && sign_at(mark - 1) != ' ' ? mark - 1 : mark));
  }

  // The expression or statement in a tag, up to and with its closing mark.
  void inside(std::string_view close, TokenKind end_kind) {
    std::string expected;  // The closing brackets still due.
    while (true) {
      if (expected.empty()) {
        if (const size_t end = closing_end(close, at_); end != std::string_view::npos) {
          push(end_kind);
          return advance_to(end);
        }
      }
      if (at_ >= source_.size()) refuse("the template ends inside a tag");
      const size_t space = skip_whitespace(source_, at_);
      if (space > at_) {
        advance_to(space);
      } else if (is_digit(source_[at_])) {
        number();
      } else if (source_[at_] == '\'' || source_[at_] == '"') {
        string();
      } else if (const size_t end = skip_identifier(source_, at_); end > at_) {
        name(end);
      } else {
        symbol(expected);
      }
    }
  }

  void name(size_t end) {
    const std::string_view text = source_.substr(at_, end - at_);
    if (!is_identifier(text)) refuse(fmt::format("\"{}\" is no valid name", text));
    push(TokenKind::kName, std::string(text));
    advance_to(end);
  }

  void symbol(std::string& expected) {
    static constexpr std::array<std::string_view, 26> kSymbols = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    const auto* found =
        std::find_if(kSymbols.begin(), kSymbols.end(), [&](auto text) { return looking_at(text); });
    if (found == kSymbols.end()) {
      const size_t length = std::min(character_bytes(source_, at_), source_.size() - at_);
      refuse(fmt::format("unexpected character \"{}\" in a tag", source_.substr(at_, length)));
    }
    if (*found == "{") expected += '}';
    if (*found == "(") expected += ')';
    if (*found == "[") expected += ']';
    if (*found == "}" || *found == ")" || *found == "]") {
      if (expected.empty()) refuse(fmt::format("unexpected \"{}\"", *found));
      if (expected.back() != found->front())
        refuse(fmt::format("unexpected \"{}\", expected \"{}\"", *found, expected.back()));
      expected.pop_back();
    }
    push(TokenKind::kOperator, std::string(*found));
    advance_to(at_ + found->size());
  }

  void string() {
    const char quote = source_[at_];
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) refuse("a string is not closed");
    std::string value;
    if (const char* problem = unescape(source_.substr(at_ + 1, end - at_ - 1), value)) refuse(problem);
    push(TokenKind::kString, std::move(value));
    advance_to(end + 1);
  }

  // Digits with single underscores between them; npos-free: returns `from` when there are none.
  size_t skip_digits(size_t from) const {
    size_t end = from;
    while (end < source_.size() && is_digit(source_[end])) {
      ++end;
      if (end + 1 < source_.size() && source_[end] == '_' && is_digit(source_[end + 1])) ++end;
    }
    return end;
  }

  // Where a float that starts here ends, or where it starts if there is none. "1.x" is no float, and neither
  // is the 2 of "a.1.2".
  size_t float_end() const {
    if (at_ > 0 && source_[at_ - 1] == '.') return at_;
    size_t end = skip_digits(at_);
    bool is_float = false;
    if (end < source_.size() && source_[end] == '.') {
      if (const size_t fraction = skip_digits(end + 1); fraction > end + 1) {
        end = fraction;
        is_float = true;
      }
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      const size_t sign = sign_at(end + 1) == ' ' ? end + 1 : end + 2;
      if (const size_t exponent = skip_digits(sign); exponent > sign) return exponent;
    }
    return is_float ? end : at_;
  }

  size_t integer_end(int& base) const {
    const auto skip = [&](size_t from, auto&& accepts) {
      size_t end = from;
      while (end < source_.size()) {
        const size_t digit = source_[end] == '_' ? end + 1 : end;
        if (digit >= source_.size() || !accepts(source_[digit])) break;
        end = digit + 1;
      }
      return end;
    };
    base = 10;
    if (source_[at_] != '0') return skip(at_, is_digit);
    const char mark = at_ + 1 < source_.size() ? static_cast<char>(source_[at_ + 1] | 0x20) : ' ';
    if (mark == 'x' || mark == 'o' || mark == 'b') {
      const int wanted = mark == 'x' ? 16 : mark == 'o' ? 8 : 2;
      const size_t end = skip(at_ + 2, [&](char c) {
        const int digit = is_digit(c)                              ? c - '0'
                          : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                                   : 99;
        return digit < wanted;
      });
      if (end > at_ + 2) {
        base = wanted;
        return end;
      }
    }
    return skip(at_ + 1, [](char c) { return c == '0'; });
  }

  void number() {
    size_t end = float_end();
    const bool is_float = end > at_;
    int base = 10;
    if (!is_float) end = integer_end(base);
    std::string digits(source_.substr(at_, end - at_));
    std::erase(digits, '_');
    Token& token = push(is_float ? TokenKind::kFloat : TokenKind::kInteger, digits);
    if (is_float) {
      token.number = std::strtod(digits.c_str(), nullptr);
    } else {
      const char* first = digits.data() + (base == 10 ? 0 : 2);
      if (std::from_chars(first, digits.data() + digits.size(), token.integer, base).ec != std::errc())
        refuse("an integer of " + std::to_string(digits.size()) + " digits does not fit in 64 bits");
    }
    advance_to(end);
  }

  std::string_view source_;
  size_t at_ = 0;
  int line_ = 1;
  bool at_line_start_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  const std::string text = normalise(source);
  return Lexer(text).run();
}

}  // namespace poro::jinja
