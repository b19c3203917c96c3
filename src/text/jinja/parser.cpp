#include "text/jinja/parser.h"

#include <algorithm>

#include "base/error.h"
#include "text/jinja/limits.h"
#include "text/jinja/runtime.h"
#include "text/jinja/scope.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEnd:
      return "the end of the template";
    case TokenKind::kData:
      return "text";
    case TokenKind::kVariableBegin:
      return "{{";
    case TokenKind::kVariableEnd:
      return "}}";
    case TokenKind::kBlockBegin:
      return "{%";
    case TokenKind::kBlockEnd:
      return "%}";
    default:
      return "\"" + token.text + "\"";
  }
}

bool is_constant_name(std::string_view name) {
  return name == "true" || name == "false" || name == "none" || name == "True" || name == "False" ||
         name == "None";
}

}  // namespace

Template parse(std::string_view source) {
  if (source.size() > kMaxSourceBytes)
    fail("the template has {} bytes; at most {} are read", source.size(), kMaxSourceBytes);
  Template result;
  result.body = Parser(tokenize(source)).parse_template();
  resolve_names(result);
  return result;
}

void Parser::refuse(std::string_view what) const {
  fail("line {}: {}, at {}", current().line, what, describe(current()));
}

bool Parser::take_name_if(std::string_view name) {
  if (!current().is_name(name)) return false;
  take();
  return true;
}

bool Parser::take_operator_if(std::string_view symbol) {
  if (!current().is_operator(symbol)) return false;
  take();
  return true;
}

void Parser::expect_operator(std::string_view symbol) {
  if (!take_operator_if(symbol)) refuse(fmt::format("\"{}\" is expected", symbol));
}

void Parser::expect_name(std::string_view name) {
  if (!take_name_if(name)) refuse(fmt::format("\"{}\" is expected", name));
}

const Token& Parser::expect(TokenKind kind, const char* what) {
  if (!current().is(kind)) refuse(fmt::format("{} is expected", what));
  return take();
}

Body Parser::parse_template() {
  Body body = parse_until({}, {});
  return body;
}

// Text, output and statements up to a tag among `ends`, which is left as the current token; without ends, the
// whole template.
Body Parser::parse_until(std::initializer_list<std::string_view> ends, std::string_view opened) {
  const Nesting nesting(statement_depth_, kMaxStatementDepth, "blocks");
  Body body;
  while (!current().is(TokenKind::kEnd)) {
    if (current().is(TokenKind::kData)) {
      auto text = node<Text>();
      text->text = take().text;
      body.push_back(std::move(text));
    } else if (current().is(TokenKind::kVariableBegin)) {
      auto print = node<Print>();
      take();
      print->value = parse_tuple(Conditionals::kAllowed);
      expect(TokenKind::kVariableEnd, "}}");
      body.push_back(std::move(print));
    } else {
      expect(TokenKind::kBlockBegin, "a tag");
      for (const std::string_view end : ends)
        if (current().is_name(end)) return body;
      if (StatementPtr statement = parse_statement(body)) body.push_back(std::move(statement));
      expect(TokenKind::kBlockEnd, "%}");
    }
  }
  if (ends.size() > 0) refuse(fmt::format("\"{}\" is not closed by \"{}\"", opened, *(ends.end() - 1)));
  return body;
}

// The rest of an opening tag and the body after it.
Body Parser::parse_block_body(std::initializer_list<std::string_view> ends, std::string_view opened) {
  take_operator_if(":");
  expect(TokenKind::kBlockEnd, "%}");
  return parse_until(ends, opened);
}

StatementPtr Parser::parse_statement(Body& body) {
  if (!current().is(TokenKind::kName)) refuse("a tag's name is expected");
  const std::string& tag = current().text;
  if (tag == "for") return parse_for();
  if (tag == "if") return parse_if();
  if (tag == "set") return parse_set();
  if (tag == "with") return parse_with();
  if (tag == "macro") return parse_macro();
  if (tag == "call") return parse_call_block();
  if (tag == "generation") return parse_generation();
  if (tag == "filter") return parse_filter_block();
  if (tag == "block") return parse_block();
  if (tag == "autoescape") return parse_autoescape();
  if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") return parse_unloadable();
  if (tag == "print") {
    parse_print(body);
    return nullptr;
  }
  if (tag == "break" || tag == "continue") {
    auto jump = node<Jump>();
    jump->flow = take().text == "break" ? Flow::kBreak : Flow::kContinue;
    return jump;
  }
  refuse("unknown tag");
}

void Parser::parse_print(Body& body) {
  take();
  bool is_first = true;
  while (!current().is(TokenKind::kBlockEnd)) {
    if (!std::exchange(is_first, false)) expect_operator(",");
    auto print = node<Print>();
    print->value = parse_expression();
    body.push_back(std::move(print));
  }
}

// ---- Targets

std::unique_ptr<Name> Parser::parse_name_target(NameUse use) {
  auto name = node<Name>();
  name->name = expect(TokenKind::kName, "a name").text;
  make_target(*name, use);
  return name;
}

void Parser::make_target(Expression& target, NameUse use) const {
  if (target.kind() == NodeKind::kName) {
    Name& name = static_cast<Name&>(target);
    if (is_constant_name(name.name)) fail("line {}: cannot assign to {}", name.line, name.name);
    name.use = use;
  } else if (target.kind() == NodeKind::kTuple) {
    for (const ExpressionPtr& item : static_cast<ListDisplay&>(target).items) make_target(*item, use);
  } else {
    fail("line {}: cannot assign to an expression that is no name", target.line);
  }
}

ExpressionPtr Parser::parse_target(std::string_view end_name, NameUse use) {
  ExpressionPtr target = parse_tuple_of([&] { return parse_primary(); }, end_name, false);
  make_target(*target, use);
  return target;
}

// ---- Statements

StatementPtr Parser::parse_for() {
  auto loop = node<For>();
  take();
  const size_t target_at = at_;
  loop->target = parse_target("in", NameUse::kStore);
  const size_t after_target = at_;
  expect_name("in");
  loop->iterable = parse_tuple(Conditionals::kRefused, "recursive");
  if (take_name_if("if")) {
    loop->condition = parse_expression();
    // The condition runs with variables of its own, so it has a target of its own.
    const size_t here = std::exchange(at_, target_at);
    loop->condition_target = parse_target("in", NameUse::kStore);
    CHECK(at_ == after_target, "the target of a loop read differently twice");
    at_ = here;
  }
  loop->is_recursive = take_name_if("recursive");
  loop->body = parse_block_body({"else", "endfor"}, "for");
  if (take().text == "else") {
    loop->otherwise = parse_block_body({"endfor"}, "for");
    take();
  }
  return loop;
}

StatementPtr Parser::parse_if() {
  auto statement = node<If>();
  do {
    take();
    ExpressionPtr condition = parse_tuple(Conditionals::kRefused);
    Body body = parse_block_body({"elif", "else", "endif"}, "if");
    statement->branches.push_back({std::move(condition), std::move(body)});
  } while (current().is_name("elif"));
  if (take().text == "else") {
    statement->otherwise = parse_block_body({"endif"}, "if");
    take();
  }
  return statement;
}

StatementPtr Parser::parse_set() {
  const int line = take().line;
  ExpressionPtr target;
  if (current().is(TokenKind::kName) && ahead().is_operator(".")) {
    auto attribute = node<NamespaceTarget>();
    attribute->object.line = line;
    attribute->object.name = take().text;
    take();
    attribute->attribute = expect(TokenKind::kName, "a name").text;
    target = std::move(attribute);
  } else {
    target = parse_target({}, NameUse::kStore);
  }
  if (take_operator_if("=")) {
    auto set = std::make_unique<Set>();
    set->line = line;
    set->target = std::move(target);
    set->value = parse_tuple(Conditionals::kAllowed);
    return set;
  }
  auto set = std::make_unique<SetBlock>();
  set->line = line;
  set->target = std::move(target);
  if (take_operator_if("|")) set->filter = parse_filter_chain(parse_filter(nullptr));
  set->body = parse_block_body({"endset"}, "set");
  take();
  return set;
}

StatementPtr Parser::parse_with() {
  auto with = node<With>();
  take();
  while (!current().is(TokenKind::kBlockEnd) && !current().is_operator(":")) {
    if (!with->targets.empty()) expect_operator(",");
    with->targets.push_back(parse_target({}, NameUse::kParameter));
    expect_operator("=");
    with->values.push_back(parse_expression());
  }
  with->body = parse_block_body({"endwith"}, "with");
  take();
  return with;
}

void Parser::parse_signature(MacroCode& macro) {
  expect_operator("(");
  while (!current().is_operator(")")) {
    if (!macro.parameters.empty()) expect_operator(",");
    macro.parameters.push_back(parse_name_target(NameUse::kParameter));
    if (take_operator_if("=")) {
      macro.defaults.push_back(parse_expression());
    } else if (!macro.defaults.empty()) {
      refuse("a parameter without default follows one with a default");
    }
  }
  expect_operator(")");
  for (size_t i = 0; i < macro.parameters.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (macro.parameters[i]->name == macro.parameters[j]->name)
        refuse("the parameter " + macro.parameters[i]->name + " occurs twice");
}

StatementPtr Parser::parse_macro() {
  auto macro = node<Macro>();
  take();
  macro->name = parse_name_target(NameUse::kStore)->name;
  parse_signature(*macro);
  macro->body = parse_block_body({"endmacro"}, "macro");
  take();
  return macro;
}

StatementPtr Parser::parse_call_block() {
  auto block = node<CallBlock>();
  take();
  if (current().is_operator("(")) parse_signature(*block);
  ExpressionPtr call = parse_expression();
  if (call->kind() != NodeKind::kCall) refuse("a call is expected");
  block->call.reset(static_cast<Call*>(call.release()));
  block->body = parse_block_body({"endcall"}, "call");
  take();
  return block;
}

StatementPtr Parser::parse_generation() {
  auto block = node<Generation>();
  take();
  block->body = parse_block_body({"endgeneration"}, "generation");
  take();
  return block;
}

StatementPtr Parser::parse_filter_block() {
  auto block = node<FilterBlock>();
  take();
  block->filter = parse_filter_chain(parse_filter(nullptr));
  block->body = parse_block_body({"endfilter"}, "filter");
  take();
  return block;
}

StatementPtr Parser::parse_block() {
  auto block = node<Block>();
  take();
  block->name = expect(TokenKind::kName, "a name").text;
  if (std::find(block_names_.begin(), block_names_.end(), block->name) != block_names_.end())
    refuse("the block " + block->name + " is defined twice");
  block_names_.push_back(block->name);
  take_name_if("scoped");
  block->is_required = take_name_if("required");
  block->body = parse_block_body({"endblock"}, "block");
  take();
  take_name_if(block->name);
  if (block->is_required) {
    for (const StatementPtr& child : block->body) {
      const auto* text = dynamic_cast<const Text*>(child.get());
      if (text == nullptr || skip_whitespace(text->text, 0) != text->text.size())
        refuse("a required block may hold only whitespace and comments");
    }
  }
  return block;
}

StatementPtr Parser::parse_autoescape() {
  auto scope = node<Scope>();
  take();
  parse_expression();
  scope->body = parse_block_body({"endautoescape"}, "autoescape");
  take();
  return scope;
}

StatementPtr Parser::parse_unloadable() {
  auto node = Parser::node<Unloadable>();
  node->tag = take().text;
  node->template_name = parse_expression();
  if (node->tag == "include") {
    if (current().is_name("ignore") && ahead().is_name("missing")) {
      take();
      take();
    }
    parse_import_context();
  } else if (node->tag == "import") {
    expect_name("as");
    node->names.push_back(parse_name_target(NameUse::kStore)->name);
    parse_import_context();
  } else if (node->tag == "from") {
    expect_name("import");
    parse_from_names(*node);
  }
  return node;
}

void Parser::parse_import_context() {
  if ((current().is_name("with") || current().is_name("without")) && ahead().is_name("context")) {
    take();
    take();
  }
}

void Parser::parse_from_names(Unloadable& node) {
  while (true) {
    if (!node.names.empty()) expect_operator(",");
    const size_t before = at_;
    parse_import_context();
    if (at_ != before) return;
    std::string name = parse_name_target(NameUse::kStore)->name;
    if (name.front() == '_') refuse("names that start with _ cannot be imported");
    if (take_name_if("as")) name = parse_name_target(NameUse::kStore)->name;
    node.names.push_back(std::move(name));
    parse_import_context();
    if (!current().is_operator(",")) return;
  }
}

}  // namespace poro::jinja
