// The expressions of a template, from inline if down to literals.
#include <algorithm>

#include "base/error.h"
#include "text/jinja/limits.h"
#include "text/jinja/parser.h"
#include "text/jinja/runtime.h"

namespace poro::jinja {

template <class T>
std::unique_ptr<T> Parser::done(std::unique_ptr<T> node) const {
  int deepest = 0;
  node->for_each_child(
      [&](Node& child) { deepest = std::max(deepest, static_cast<Expression&>(child).depth); });
  node->depth = deepest + 1;
  if (node->depth > kMaxExpressionDepth)
    fail("line {}: the template nests expressions more than {} deep", node->line, kMaxExpressionDepth);
  return node;
}

ExpressionPtr Parser::parse_tuple(Conditionals conditionals, std::string_view end_name) {
  if (conditionals == Conditionals::kAllowed)
    return parse_tuple_of([&] { return parse_expression(); }, end_name, false);
  return parse_tuple_of([&] { return parse_or(); }, end_name, false);
}

// One expression, or several with commas, which make a tuple. A tuple without brackets may be empty nowhere.
ExpressionPtr Parser::parse_tuple_of(const std::function<ExpressionPtr()>& parse_item,
                                     std::string_view end_name, bool may_be_empty) {
  auto tuple = node<ListDisplay>();
  tuple->is_tuple = true;
  bool has_comma = false;
  while (true) {
    if (!tuple->items.empty()) expect_operator(",");
    if (current().is(TokenKind::kVariableEnd) || current().is(TokenKind::kBlockEnd) ||
        current().is_operator(")") || (!end_name.empty() && current().is_name(end_name)))
      break;
    tuple->items.push_back(parse_item());
    if (!current().is_operator(",")) break;
    has_comma = true;
  }
  if (!has_comma) {
    if (!tuple->items.empty()) return std::move(tuple->items.front());
    if (!may_be_empty) refuse("an expression is missing");
  }
  return done(std::move(tuple));
}

ExpressionPtr Parser::parse_expression() {
  const Nesting nesting(expression_depth_, kMaxExpressionDepth, "expressions");
  ExpressionPtr value = parse_or();
  while (current().is_name("if")) {
    auto conditional = node<Conditional>();
    take();
    conditional->yes = std::move(value);
    conditional->condition = parse_or();
    if (take_name_if("else")) conditional->no = parse_expression();
    value = done(std::move(conditional));
  }
  return value;
}

ExpressionPtr Parser::binary(BinaryOperator op, ExpressionPtr left, ExpressionPtr right) {
  auto made = std::make_unique<Binary>();
  made->line = left->line;
  made->op = op;
  made->left = std::move(left);
  made->right = std::move(right);
  return done(std::move(made));
}

ExpressionPtr Parser::parse_or() {
  ExpressionPtr left = parse_and();
  while (take_name_if("or")) left = binary(BinaryOperator::kOr, std::move(left), parse_and());
  return left;
}

ExpressionPtr Parser::parse_and() {
  ExpressionPtr left = parse_not();
  while (take_name_if("and")) left = binary(BinaryOperator::kAnd, std::move(left), parse_not());
  return left;
}

ExpressionPtr Parser::parse_not() {
  if (!current().is_name("not")) return parse_comparison();
  const Nesting nesting(expression_depth_, kMaxExpressionDepth, "expressions");
  auto negation = node<Unary>();
  take();
  negation->op = UnaryOperator::kNot;
  negation->operand = parse_not();
  return done(std::move(negation));
}

ExpressionPtr Parser::parse_comparison() {
  static constexpr std::pair<std::string_view, Comparison> kSymbols[] = {
      {"==", Comparison::kEqual},     {"!=", Comparison::kNotEqual}, {"<", Comparison::kLess},
      {"<=", Comparison::kLessEqual}, {">", Comparison::kGreater},   {">=", Comparison::kGreaterEqual}};
  auto compare = node<Compare>();
  compare->first = parse_sum();
  while (true) {
    const auto* symbol = std::find_if(std::begin(kSymbols), std::end(kSymbols),
                                      [&](const auto& entry) { return current().is_operator(entry.first); });
    Comparison comparison;
    if (symbol != std::end(kSymbols)) {
      comparison = symbol->second;
    } else if (current().is_name("in")) {
      comparison = Comparison::kIn;
    } else if (current().is_name("not") && ahead().is_name("in")) {
      take();
      comparison = Comparison::kNotIn;
    } else {
      break;
    }
    take();
    compare->rest.emplace_back(comparison, parse_sum());
  }
  if (compare->rest.empty()) return std::move(compare->first);
  return done(std::move(compare));
}

ExpressionPtr Parser::parse_sum() {
  ExpressionPtr left = parse_concatenation();
  while (current().is_operator("+") || current().is_operator("-")) {
    const BinaryOperator op = take().text == "+" ? BinaryOperator::kAdd : BinaryOperator::kSubtract;
    left = binary(op, std::move(left), parse_concatenation());
  }
  return left;
}

ExpressionPtr Parser::parse_concatenation() {
  auto concatenation = node<Concatenation>();
  concatenation->parts.push_back(parse_product());
  while (take_operator_if("~")) concatenation->parts.push_back(parse_product());
  if (concatenation->parts.size() == 1) return std::move(concatenation->parts.front());
  return done(std::move(concatenation));
}

ExpressionPtr Parser::parse_product() {
  static constexpr std::pair<std::string_view, BinaryOperator> kSymbols[] = {
      {"*", BinaryOperator::kMultiply},
      {"/", BinaryOperator::kDivide},
      {"//", BinaryOperator::kFloorDivide},
      {"%", BinaryOperator::kModulo}};
  ExpressionPtr left = parse_power();
  while (true) {
    const auto* symbol = std::find_if(std::begin(kSymbols), std::end(kSymbols),
                                      [&](const auto& entry) { return current().is_operator(entry.first); });
    if (symbol == std::end(kSymbols)) return left;
    take();
    left = binary(symbol->second, std::move(left), parse_power());
  }
}

ExpressionPtr Parser::parse_power() {
  ExpressionPtr left = parse_unary(Filters::kAllowed);
  while (take_operator_if("**"))
    left = binary(BinaryOperator::kPower, std::move(left), parse_unary(Filters::kAllowed));
  return left;
}

ExpressionPtr Parser::parse_unary(Filters filters) {
  const Nesting nesting(expression_depth_, kMaxExpressionDepth, "expressions");
  ExpressionPtr value;
  if (current().is_operator("-") || current().is_operator("+")) {
    auto unary = node<Unary>();
    unary->op = take().text == "-" ? UnaryOperator::kMinus : UnaryOperator::kPlus;
    unary->operand = parse_unary(Filters::kRefused);
    value = done(std::move(unary));
  } else {
    value = parse_primary();
  }
  value = parse_postfix(std::move(value));
  return filters == Filters::kAllowed ? parse_filters_and_tests(std::move(value)) : std::move(value);
}

ExpressionPtr Parser::parse_primary() {
  const Token& token = current();
  if (token.is_operator("(")) {
    take();
    ExpressionPtr inside = parse_tuple_of([&] { return parse_expression(); }, {}, true);
    expect_operator(")");
    return inside;
  }
  if (token.is_operator("[")) return parse_list();
  if (token.is_operator("{")) return parse_dict();
  auto constant = node<Constant>();
  if (token.is(TokenKind::kName)) {
    if (token.text == "true" || token.text == "True" || token.text == "false" || token.text == "False") {
      constant->value = Value::boolean(token.text == "true" || token.text == "True");
    } else if (token.text == "none" || token.text == "None") {
      constant->value = Value::none();
    } else {
      auto name = node<Name>();
      name->name = take().text;
      return name;
    }
    take();
  } else if (token.is(TokenKind::kString)) {
    while (current().is(TokenKind::kString)) constant->text += take().text;
    constant->value = Value::string(constant->text);
  } else if (token.is(TokenKind::kInteger)) {
    constant->value = Value::integer(take().integer);
  } else if (token.is(TokenKind::kFloat)) {
    constant->value = Value::number(take().number);
  } else {
    refuse("an expression is missing");
  }
  return constant;
}

ExpressionPtr Parser::parse_list() {
  auto list = node<ListDisplay>();
  expect_operator("[");
  while (!current().is_operator("]")) {
    if (!list->items.empty()) expect_operator(",");
    if (current().is_operator("]")) break;
    list->items.push_back(parse_expression());
  }
  expect_operator("]");
  return done(std::move(list));
}

ExpressionPtr Parser::parse_dict() {
  auto dict = node<DictDisplay>();
  expect_operator("{");
  while (!current().is_operator("}")) {
    if (!dict->items.empty()) expect_operator(",");
    if (current().is_operator("}")) break;
    ExpressionPtr key = parse_expression();
    expect_operator(":");
    dict->items.emplace_back(std::move(key), parse_expression());
  }
  expect_operator("}");
  return done(std::move(dict));
}

ExpressionPtr Parser::parse_postfix(ExpressionPtr value) {
  while (true) {
    if (current().is_operator(".") || current().is_operator("[")) {
      value = parse_subscript(std::move(value));
    } else if (current().is_operator("(")) {
      value = parse_call(std::move(value));
    } else {
      return value;
    }
  }
}

ExpressionPtr Parser::parse_filters_and_tests(ExpressionPtr value) {
  while (true) {
    if (take_operator_if("|")) {
      value = parse_filter(std::move(value));
    } else if (current().is_name("is")) {
      value = parse_test(std::move(value));
    } else if (current().is_operator("(")) {
      value = parse_call(std::move(value));
    } else {
      return value;
    }
  }
}

ExpressionPtr Parser::parse_subscript(ExpressionPtr object) {
  if (take_operator_if(".")) {
    if (current().is(TokenKind::kName)) {
      auto attribute = node<Attribute>();
      attribute->object = std::move(object);
      attribute->name = take().text;
      return done(std::move(attribute));
    }
    if (!current().is(TokenKind::kInteger)) refuse("a name or number is expected after the dot");
    auto item = node<Item>();
    item->object = std::move(object);
    item->key = parse_primary();
    return done(std::move(item));
  }
  const int line = current().line;
  expect_operator("[");
  std::vector<ExpressionPtr> keys;
  while (!current().is_operator("]")) {
    if (!keys.empty()) expect_operator(",");
    if (current().is_operator(":")) return parse_slice(std::move(object), nullptr);
    ExpressionPtr key = parse_expression();
    if (current().is_operator(":")) {
      if (!keys.empty()) refuse("slices of several dimensions are not supported");
      return parse_slice(std::move(object), std::move(key));
    }
    keys.push_back(std::move(key));
  }
  expect_operator("]");
  auto item = std::make_unique<Item>();
  item->line = line;
  item->object = std::move(object);
  if (keys.size() == 1) {
    item->key = std::move(keys.front());
  } else {
    auto tuple = std::make_unique<ListDisplay>();
    tuple->is_tuple = true;
    tuple->items = std::move(keys);
    item->key = done(std::move(tuple));
  }
  return done(std::move(item));
}

// From the first colon on.
ExpressionPtr Parser::parse_slice(ExpressionPtr object, ExpressionPtr start) {
  auto slice = node<SliceItem>();
  slice->object = std::move(object);
  slice->start = std::move(start);
  expect_operator(":");
  const auto is_end = [&] {
    return current().is_operator("]") || current().is_operator(":") || current().is_operator(",");
  };
  if (!is_end()) slice->stop = parse_expression();
  if (take_operator_if(":") && !is_end()) slice->step = parse_expression();
  expect_operator("]");
  return done(std::move(slice));
}

std::unique_ptr<Call> Parser::parse_call(ExpressionPtr callee) {
  auto call = node<Call>();
  call->callee = std::move(callee);
  call->arguments = parse_arguments();
  return done(std::move(call));
}

CallArguments Parser::parse_arguments() {
  CallArguments arguments;
  expect_operator("(");
  bool is_first = true;
  while (!current().is_operator(")")) {
    if (!std::exchange(is_first, false)) {
      expect_operator(",");
      if (current().is_operator(")")) break;
    }
    const bool is_unpacked = arguments.unpacked || arguments.unpacked_named;
    if (take_operator_if("*")) {
      if (is_unpacked) refuse("misplaced * in the arguments of a call");
      arguments.unpacked = parse_expression();
    } else if (take_operator_if("**")) {
      if (arguments.unpacked_named) refuse("misplaced ** in the arguments of a call");
      arguments.unpacked_named = parse_expression();
    } else if (current().is(TokenKind::kName) && ahead().is_operator("=")) {
      if (arguments.unpacked_named) refuse("a named argument after ** in a call");
      std::string name = take().text;
      take();
      for (const auto& [known, value] : arguments.named)
        if (known == name) refuse("a call names the argument " + name + " twice");
      arguments.named.emplace_back(std::move(name), parse_expression());
    } else {
      if (is_unpacked || !arguments.named.empty()) refuse("a positional argument after named ones in a call");
      arguments.positional.push_back(parse_expression());
    }
  }
  expect_operator(")");
  return arguments;
}

std::string Parser::parse_dotted_name() {
  std::string name = expect(TokenKind::kName, "a name").text;
  while (take_operator_if(".")) name += "." + expect(TokenKind::kName, "a name").text;
  return name;
}

std::unique_ptr<Filter> Parser::parse_filter(ExpressionPtr input) {
  auto filter = node<Filter>();
  filter->name = parse_dotted_name();
  filter->input = std::move(input);
  if (current().is_operator("(")) filter->arguments = parse_arguments();
  return done(std::move(filter));
}

std::unique_ptr<Filter> Parser::parse_filter_chain(std::unique_ptr<Filter> first) {
  while (take_operator_if("|")) first = parse_filter(std::move(first));
  return first;
}

ExpressionPtr Parser::parse_test(ExpressionPtr input) {
  auto test = node<Test>();
  take();
  const bool is_negated = take_name_if("not");
  test->input = std::move(input);
  test->name = parse_dotted_name();
  const Token& next = current();
  if (next.is_operator("(")) {
    test->arguments = parse_arguments();
  } else if ((next.is(TokenKind::kName) || next.is(TokenKind::kString) || next.is(TokenKind::kInteger) ||
              next.is(TokenKind::kFloat) || next.is_operator("[") || next.is_operator("{")) &&
             !next.is_name("else") && !next.is_name("or") && !next.is_name("and")) {
    if (next.is_name("is")) refuse("tests cannot be chained with is");
    test->arguments.positional.push_back(parse_postfix(parse_primary()));
  }
  ExpressionPtr result = done(std::move(test));
  if (!is_negated) return result;
  auto negation = std::make_unique<Unary>();
  negation->line = result->line;
  negation->op = UnaryOperator::kNot;
  negation->operand = std::move(result);
  return done(std::move(negation));
}

}  // namespace poro::jinja
