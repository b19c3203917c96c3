// Template source to tokens, with Jinja2's whitespace rules as chat templates are written for: trim_blocks,
// lstrip_blocks, the signs - and +, and one newline at the very end dropped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace poro::jinja {

enum class TokenKind : uint8_t {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // Of a string: its value, escapes resolved.
  int64_t integer = 0;
  double number = 0;
  int line = 1;

  bool is(TokenKind wanted) const { return kind == wanted; }
  bool is_name(std::string_view name) const { return kind == TokenKind::kName && text == name; }
  bool is_operator(std::string_view symbol) const { return kind == TokenKind::kOperator && text == symbol; }
};

// Ends in a kEnd token. Throws Error that names the line.
std::vector<Token> tokenize(std::string_view source);

}  // namespace poro::jinja
