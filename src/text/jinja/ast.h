// A parsed template. Expressions evaluate and statements execute themselves; names were turned into slots by
// scope.cpp, so that rendering looks up no variable by its name twice. A tree never changes after that, and
// any number of threads may render it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace poro::jinja {

class Runtime;
struct Activation;
class Iterator;

enum class NodeKind : uint8_t {
  kOther,
  kName,
  kTuple,
  kNamespaceTarget,
  kConditional,
  kFilter,
  kTest,
  kCall,
  kFor,
  kIf,
  kMacro,
  kCallBlock,
  kGeneration,
  kFilterBlock,
  kWith,
  kScope,
  kSet,
  kSetBlock,
  kBlock,
  kUnloadable,
  kJump
};

struct Node {
  int line = 0;

  virtual ~Node() = default;
  virtual NodeKind kind() const { return NodeKind::kOther; }
  // Calls `visit` with every child, in the order in which Jinja2 looks for variables.
  virtual void for_each_child(const std::function<void(Node&)>& visit) { (void)visit; }
};

struct Expression : Node {
  int depth = 1;  // Height of the tree below; the parser bounds it.
  virtual Value evaluate(Runtime& runtime) const = 0;
};
using ExpressionPtr = std::unique_ptr<Expression>;

// How a statement ended.
enum class Flow : uint8_t { kNext, kBreak, kContinue };

struct Statement : Node {
  virtual Flow execute(Runtime& runtime) const = 0;
};
using StatementPtr = std::unique_ptr<Statement>;
using Body = std::vector<StatementPtr>;

Flow execute_all(const Body& body, Runtime& runtime);

// Where a variable lives: `hops` functions out, in slot `slot`.
struct Place {
  int hops = 0;
  int slot = -1;
};

// What a scope does to its variables when it begins; they are unset again when it ends.
struct ScopeStart {
  enum class From : uint8_t { kNothing, kVariables, kOuter };
  struct Entry {
    int slot;
    From from;
    std::string name;  // kVariables
    Place outer;       // kOuter
  };
  std::vector<Entry> entries;
  std::vector<int> slots;  // All of the scope's, parameters included.

  void enter(Runtime& runtime) const;
  void leave(Runtime& runtime) const;
};

// ---- Expressions

struct Constant : Expression {
  std::string text;
  Value value;
  Value evaluate(Runtime&) const override { return value; }
};

enum class NameUse : uint8_t { kLoad, kStore, kParameter };

struct Name : Expression {
  std::string name;
  NameUse use = NameUse::kLoad;
  Place place;
  NodeKind kind() const override { return NodeKind::kName; }
  Value evaluate(Runtime& runtime) const override;
};

struct ListDisplay : Expression {
  bool is_tuple = false;
  std::vector<ExpressionPtr> items;
  NodeKind kind() const override { return is_tuple ? NodeKind::kTuple : NodeKind::kOther; }
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Value evaluate(Runtime& runtime) const override;
};

struct DictDisplay : Expression {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items;
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Value evaluate(Runtime& runtime) const override;
};

enum class UnaryOperator : uint8_t { kNot, kMinus, kPlus };
struct Unary : Expression {
  UnaryOperator op;
  ExpressionPtr operand;
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Value evaluate(Runtime& runtime) const override;
};

enum class BinaryOperator : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kAnd,
  kOr
};
struct Binary : Expression {
  BinaryOperator op;
  ExpressionPtr left, right;
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Value evaluate(Runtime& runtime) const override;
};

struct Concatenation : Expression {
  std::vector<ExpressionPtr> parts;
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Value evaluate(Runtime& runtime) const override;
};

enum class Comparison : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};
struct Compare : Expression {
  ExpressionPtr first;
  std::vector<std::pair<Comparison, ExpressionPtr>> rest;
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Value evaluate(Runtime& runtime) const override;
};

struct Conditional : Expression {
  ExpressionPtr condition, yes, no;  // `no` may be null.
  NodeKind kind() const override { return NodeKind::kConditional; }
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Value evaluate(Runtime& runtime) const override;
};

struct Attribute : Expression {
  ExpressionPtr object;
  std::string name;
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Value evaluate(Runtime& runtime) const override;
};

struct Item : Expression {
  ExpressionPtr object, key;
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Value evaluate(Runtime& runtime) const override;
};

struct SliceItem : Expression {
  ExpressionPtr object, start, stop, step;  // The last three may be null.
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Value evaluate(Runtime& runtime) const override;
};

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr unpacked, unpacked_named;  // *x and **x

  void for_each_child(const std::function<void(Node&)>& visit);
  int depth() const;
  // The values live in the arena.
  Arguments evaluate(Runtime& runtime) const;
};

struct Call : Expression {
  ExpressionPtr callee;
  CallArguments arguments;
  NodeKind kind() const override { return NodeKind::kCall; }
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Value evaluate(Runtime& runtime) const override;
  Value call_with(Runtime& runtime, const Value* caller) const;
};

// A filter or test, bound to its function when the template is read.
struct Applied : Expression {
  ExpressionPtr input;  // Null in a filter block: the text of the block.
  std::string name;
  CallArguments arguments;
  Native function = nullptr;
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Value evaluate(Runtime& runtime) const override;
  Value apply(Runtime& runtime, Value value) const;
  virtual const char* what() const = 0;
};
struct Filter : Applied {
  NodeKind kind() const override { return NodeKind::kFilter; }
  const char* what() const override { return "filter"; }
};
struct Test : Applied {
  NodeKind kind() const override { return NodeKind::kTest; }
  const char* what() const override { return "test"; }
};

// `set name.attribute = ...`
struct NamespaceTarget : Expression {
  Name object;
  std::string attribute;
  NodeKind kind() const override { return NodeKind::kNamespaceTarget; }
  void for_each_child(const std::function<void(Node&)>& visit) override { visit(object); }
  Value evaluate(Runtime& runtime) const override { return object.evaluate(runtime); }
};

// Stores into a name, a tuple of targets or a namespace's attribute.
void assign(const Expression& target, Value value, Runtime& runtime);

// ---- Statements

struct Text : Statement {
  std::string text;
  Flow execute(Runtime& runtime) const override;
};

struct Print : Statement {
  ExpressionPtr value;
  void for_each_child(const std::function<void(Node&)>& visit) override { visit(*value); }
  Flow execute(Runtime& runtime) const override;
};

struct If : Statement {
  struct Branch {
    ExpressionPtr condition;
    Body body;
  };
  std::vector<Branch> branches;
  Body otherwise;
  NodeKind kind() const override { return NodeKind::kIf; }
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Flow execute(Runtime& runtime) const override;
};

// The code of a macro, caller, or block: its own slots, below those of the function it is written in.
struct FunctionCode {
  int num_slots = 0;
  ScopeStart start;
};

struct For : Statement {
  ExpressionPtr target, iterable, condition;  // `condition` may be null.
  bool is_recursive = false;
  Body body, otherwise;

  bool has_loop_variable = false;
  int loop_slot = -1;
  ScopeStart body_start, otherwise_start;
  FunctionCode function;           // Of a recursive loop.
  ExpressionPtr condition_target;  // The condition has slots of its own: it may run ahead of the body.
  FunctionCode condition_function;

  NodeKind kind() const override { return NodeKind::kFor; }
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Flow execute(Runtime& runtime) const override;
  // Runs over `values` in the current activation.
  Flow run(Runtime& runtime, Value values, int level) const;
};

struct Set : Statement {
  ExpressionPtr target, value;
  std::vector<std::pair<std::string, int>>
      exports;  // At the top level: the names blocks see, and their slots.
  NodeKind kind() const override { return NodeKind::kSet; }
  void for_each_child(const std::function<void(Node&)>& visit) override { visit(*value), visit(*target); }
  Flow execute(Runtime& runtime) const override;
};

struct SetBlock : Statement {
  ExpressionPtr target;
  std::unique_ptr<Filter> filter;  // May be null.
  Body body;
  ScopeStart start;
  std::vector<std::pair<std::string, int>> exports;
  NodeKind kind() const override { return NodeKind::kSetBlock; }
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Flow execute(Runtime& runtime) const override;
};

// What macros and call blocks share.
struct MacroCode : Statement {
  std::string name;
  std::vector<std::unique_ptr<Name>> parameters;
  std::vector<ExpressionPtr> defaults;  // Of the last parameters.
  Body body;
  FunctionCode function;
  int caller_slot = -1, kwargs_slot = -1, varargs_slot = -1;  // -1: the body does not use it.
  bool has_caller_parameter = false;
  void for_each_child(const std::function<void(Node&)>& visit) override;
};

struct Macro : MacroCode {
  int slot = -1;
  bool is_exported = false;
  NodeKind kind() const override { return NodeKind::kMacro; }
  Flow execute(Runtime& runtime) const override;
};

struct CallBlock : MacroCode {
  std::unique_ptr<Call> call;
  NodeKind kind() const override { return NodeKind::kCallBlock; }
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Flow execute(Runtime& runtime) const override;
};

// Marks what the assistant wrote. As in transformers it is a scope of its own, like a call block.
struct Generation : MacroCode {
  NodeKind kind() const override { return NodeKind::kGeneration; }
  Flow execute(Runtime& runtime) const override;
};

struct FilterBlock : Statement {
  std::unique_ptr<Filter> filter;
  Body body;
  ScopeStart start;
  NodeKind kind() const override { return NodeKind::kFilterBlock; }
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Flow execute(Runtime& runtime) const override;
};

struct With : Statement {
  std::vector<ExpressionPtr> targets, values;
  Body body;
  ScopeStart start;
  NodeKind kind() const override { return NodeKind::kWith; }
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Flow execute(Runtime& runtime) const override;
};

// autoescape: only a scope here, as chat templates are no HTML.
struct Scope : Statement {
  Body body;
  ScopeStart start;
  NodeKind kind() const override { return NodeKind::kScope; }
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Flow execute(Runtime& runtime) const override;
};

// A block renders where it stands; it sees the template's variables, not those of loops around it.
struct Block : Statement {
  std::string name;
  Body body;
  bool is_required = false;
  FunctionCode function;
  NodeKind kind() const override { return NodeKind::kBlock; }
  void for_each_child(const std::function<void(Node&)>& visit) override;
  Flow execute(Runtime& runtime) const override;
};

// include, import, from, extends: there is no second template to load, so running one is an error.
struct Unloadable : Statement {
  std::string tag;
  ExpressionPtr template_name;
  std::vector<std::string> names;  // That it would set.
  NodeKind kind() const override { return NodeKind::kUnloadable; }
  void for_each_child(const std::function<void(Node&)>& visit) override { visit(*template_name); }
  Flow execute(Runtime& runtime) const override;
};

struct Jump : Statement {
  Flow flow;
  NodeKind kind() const override { return NodeKind::kJump; }
  Flow execute(Runtime&) const override { return flow; }
};

struct Template {
  Body body;
  FunctionCode function;
};

}  // namespace poro::jinja
