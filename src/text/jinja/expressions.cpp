// How expressions evaluate.
#include <algorithm>
#include <array>

#include "text/jinja/ast.h"
#include "text/jinja/operations.h"
#include "text/jinja/printing.h"
#include "text/jinja/runtime.h"

namespace poro::jinja {
namespace {

Value evaluate(const Expression& expression, Runtime& runtime) {
  runtime.step();
  const Nesting nesting(runtime.depth, kMaxEvaluationDepth, "evaluations");
  return expression.evaluate(runtime);
}

Value evaluate_if_set(const ExpressionPtr& expression, Runtime& runtime) {
  return expression ? evaluate(*expression, runtime) : Value();
}

}  // namespace

Value Name::evaluate(Runtime& runtime) const {
  const Activation* activation = runtime.activation;
  for (int i = 0; i < place.hops; ++i) activation = activation->parent;
  const Value& value = activation->slots[place.slot];
  return value.is_missing() ? Value::undefined(Lack::kVariable, name) : value;
}

Value ListDisplay::evaluate(Runtime& runtime) const {
  const std::span<Value> values = runtime.values(items.size());
  for (size_t i = 0; i < items.size(); ++i) values[i] = jinja::evaluate(*items[i], runtime);
  return is_tuple ? Value::tuple(values) : Value::list(values);
}

Value DictDisplay::evaluate(Runtime& runtime) const {
  Dict* dict = runtime.dict();
  dict->reserve(runtime, items.size());
  for (const auto& [key, value] : items) {
    const Value made = jinja::evaluate(*key, runtime);
    dict->set(runtime, made, jinja::evaluate(*value, runtime));
  }
  return Value::dict(dict);
}

Value Unary::evaluate(Runtime& runtime) const {
  const Value value = jinja::evaluate(*operand, runtime);
  if (op == UnaryOperator::kNot) return Value::boolean(!is_true(runtime, value));
  if (op == UnaryOperator::kMinus) return negate(value);
  if (!defined(value).is_numeric()) fail("cannot apply + to a value of type {}", type_name(value));
  return value.is(Kind::kBool) ? Value::integer(value.integer()) : value;
}

Value Binary::evaluate(Runtime& runtime) const {
  const Value first = jinja::evaluate(*left, runtime);
  if (op == BinaryOperator::kAnd) return is_true(runtime, first) ? jinja::evaluate(*right, runtime) : first;
  if (op == BinaryOperator::kOr) return is_true(runtime, first) ? first : jinja::evaluate(*right, runtime);
  const Value second = jinja::evaluate(*right, runtime);
  if (op == BinaryOperator::kAdd) return add(runtime, first, second);
  if (op == BinaryOperator::kMultiply) return multiply(runtime, first, second);
  return arithmetic(runtime, op, first, second);
}

Value Concatenation::evaluate(Runtime& runtime) const {
  std::string text;
  std::vector<std::pair<Value, size_t>> carriers;
  for (const ExpressionPtr& part : parts) {
    const Value value = jinja::evaluate(*part, runtime);
    if (value.is_string()) carriers.emplace_back(value, text.size());
    append_str(runtime, value, text);
  }
  const Value result = runtime.string(text);
  for (const auto& [value, at] : carriers) runtime.carry_spans(result, value, at);
  return result;
}

Value Compare::evaluate(Runtime& runtime) const {
  Value left = jinja::evaluate(*first, runtime);
  for (const auto& [comparison, expression] : rest) {
    const Value right = jinja::evaluate(*expression, runtime);
    if (!compare(runtime, comparison, left, right)) return Value::boolean(false);
    left = right;
  }
  return Value::boolean(true);
}

Value Conditional::evaluate(Runtime& runtime) const {
  if (is_true(runtime, jinja::evaluate(*condition, runtime))) return jinja::evaluate(*yes, runtime);
  if (no) return jinja::evaluate(*no, runtime);
  return Value::undefined(Lack::kBecause, "the inline if was false and has no else");
}

Value Attribute::evaluate(Runtime& runtime) const {
  return get_attribute(runtime, jinja::evaluate(*object, runtime), name);
}

Value Item::evaluate(Runtime& runtime) const {
  const Value container = jinja::evaluate(*object, runtime);
  return get_item(runtime, container, jinja::evaluate(*key, runtime));
}

Value SliceItem::evaluate(Runtime& runtime) const {
  const Value container = jinja::evaluate(*object, runtime);
  const Value from = evaluate_if_set(start, runtime), to = evaluate_if_set(stop, runtime);
  return slice(runtime, container, from, to, evaluate_if_set(step, runtime));
}

Arguments CallArguments::evaluate(Runtime& runtime) const {
  const std::span<Value> values = runtime.values(positional.size());
  for (size_t i = 0; i < positional.size(); ++i) values[i] = jinja::evaluate(*positional[i], runtime);
  std::span<const Value> all = values;
  std::vector<Named> names;
  for (const auto& [name, value] : named) names.push_back({name, jinja::evaluate(*value, runtime)});
  if (unpacked) {
    const Value more = jinja::evaluate(*unpacked, runtime);
    all = add(runtime, Value::list(values), Value::list(collect(runtime, more))).items();
  }
  if (unpacked_named) {
    const Value more = jinja::evaluate(*unpacked_named, runtime);
    if (!defined(more).is(Kind::kDict)) fail("** needs a dict, not a value of type {}", type_name(more));
    for (const auto& [key, value] : more.dict().entries()) {
      if (!key.is_string()) fail("** needs strings as keys");
      for (const Named& known : names)
        if (known.name == key.text()) fail("the argument {} is given twice", known.name);
      names.push_back({key.text(), value});
    }
  }
  if (names.empty()) return {all, {}};
  auto* copied = static_cast<Named*>(runtime.arena().allocate(names.size() * sizeof(Named)));
  std::uninitialized_copy(names.begin(), names.end(), copied);
  return {all, {copied, names.size()}};
}

Value Call::evaluate(Runtime& runtime) const {
  return call_with(runtime, nullptr);
}

Value Call::call_with(Runtime& runtime, const Value* caller) const {
  const Value function = jinja::evaluate(*callee, runtime);
  Arguments given = arguments.evaluate(runtime);
  if (caller != nullptr) {
    auto* with_caller =
        static_cast<Named*>(runtime.arena().allocate((given.named.size() + 1) * sizeof(Named)));
    std::uninitialized_copy(given.named.begin(), given.named.end(), with_caller);
    new (with_caller + given.named.size()) Named{"caller", *caller};
    given.named = {with_caller, given.named.size() + 1};
  }
  return call(runtime, function, given);
}

Value Applied::evaluate(Runtime& runtime) const {
  return apply(runtime, jinja::evaluate(*input, runtime));
}

// In a chain of a filter block, the innermost filter has no input of its own.
Value Applied::apply(Runtime& runtime, Value value) const {
  if (function == nullptr) fail("there is no {} named \"{}\"", what(), name);
  return function(runtime, value, arguments.evaluate(runtime));
}

}  // namespace poro::jinja
