// Tokens to a tree, by Jinja2's grammar (its precedences are its own: ** binds to the left, ~ between + and
// *). Statements are read in parser.cpp, expressions in parser_expressions.cpp.
#pragma once

#include <algorithm>
#include <functional>
#include <string_view>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/lexer.h"

namespace poro::jinja {

// Throws Error that names the line.
Template parse(std::string_view source);

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  Body parse_template();

 private:
  enum class Conditionals : bool { kAllowed, kRefused };

  // Tokens.
  const Token& current() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool take_name_if(std::string_view name);
  bool take_operator_if(std::string_view symbol);
  void expect_operator(std::string_view symbol);
  const Token& expect(TokenKind kind, const char* what);
  void expect_name(std::string_view name);
  [[noreturn]] void refuse(std::string_view what) const;

  // Statements.
  Body parse_until(std::initializer_list<std::string_view> ends, std::string_view opened);
  Body parse_block_body(std::initializer_list<std::string_view> ends, std::string_view opened);
  void parse_print(Body& body);
  StatementPtr parse_statement(Body& body);
  StatementPtr parse_for();
  StatementPtr parse_if();
  StatementPtr parse_set();
  StatementPtr parse_with();
  StatementPtr parse_macro();
  StatementPtr parse_call_block();
  StatementPtr parse_generation();
  StatementPtr parse_filter_block();
  StatementPtr parse_block();
  StatementPtr parse_autoescape();
  StatementPtr parse_unloadable();
  void parse_import_context();
  void parse_from_names(Unloadable& node);
  void parse_signature(MacroCode& macro);

  // Targets.
  std::unique_ptr<Name> parse_name_target(NameUse use);
  ExpressionPtr parse_target(std::string_view end_name, NameUse use);
  void make_target(Expression& target, NameUse use) const;

  // Expressions, from the loosest to the tightest.
  ExpressionPtr parse_tuple(Conditionals conditionals, std::string_view end_name = {});
  ExpressionPtr parse_tuple_of(const std::function<ExpressionPtr()>& parse_item, std::string_view end_name,
                               bool may_be_empty);
  ExpressionPtr parse_expression();
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  ExpressionPtr parse_comparison();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concatenation();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  enum class Filters : bool { kAllowed, kRefused };
  ExpressionPtr parse_unary(Filters filters);
  ExpressionPtr parse_postfix(ExpressionPtr node);
  ExpressionPtr parse_filters_and_tests(ExpressionPtr node);
  ExpressionPtr parse_subscript(ExpressionPtr node);
  ExpressionPtr parse_slice(ExpressionPtr object, ExpressionPtr start);
  ExpressionPtr parse_primary();
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  std::unique_ptr<Filter> parse_filter(ExpressionPtr input);
  std::unique_ptr<Filter> parse_filter_chain(std::unique_ptr<Filter> first);
  ExpressionPtr parse_test(ExpressionPtr input);
  std::unique_ptr<Call> parse_call(ExpressionPtr callee);
  CallArguments parse_arguments();
  std::string parse_dotted_name();
  ExpressionPtr binary(BinaryOperator op, ExpressionPtr left, ExpressionPtr right);
  template <class T>
  std::unique_ptr<T> node() const;
  // Gives `node` its depth, one more than its deepest child's.
  template <class T>
  std::unique_ptr<T> done(std::unique_ptr<T> node) const;

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int expression_depth_ = 0, statement_depth_ = 0;
  std::vector<std::string> block_names_;
};

template <class T>
std::unique_ptr<T> Parser::node() const {
  auto made = std::make_unique<T>();
  made->line = current().line;
  return made;
}

}  // namespace poro::jinja
