// How statements execute, macros and loops apart.
#include "text/jinja/ast.h"
#include "text/jinja/objects.h"
#include "text/jinja/operations.h"
#include "text/jinja/runtime.h"

namespace poro::jinja {
namespace {

Value* slot_at(Runtime& runtime, const Place& place) {
  const Activation* activation = runtime.activation;
  for (int i = 0; i < place.hops; ++i) activation = activation->parent;
  return &activation->slots[place.slot];
}

void export_names(Runtime& runtime, const std::vector<std::pair<std::string, int>>& exports) {
  for (const auto& [name, slot] : exports)
    runtime.variables->set(runtime, Value::string(name), runtime.activation->slots[slot]);
}

// The chain of filters of a filter or set block, from its innermost, which takes the text of the block.
Value apply_chain(const Filter& filter, Value text, Runtime& runtime) {
  const Value input =
      filter.input ? apply_chain(static_cast<const Filter&>(*filter.input), text, runtime) : text;
  return filter.apply(runtime, input);
}

}  // namespace

Flow execute_all(const Body& body, Runtime& runtime) {
  const Nesting nesting(runtime.depth, kMaxEvaluationDepth, "evaluations");
  for (const StatementPtr& statement : body) {
    runtime.step();
    runtime.line = statement->line;
    const Flow flow = statement->execute(runtime);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

void ScopeStart::enter(Runtime& runtime) const {
  Value* slots = runtime.activation->slots;
  for (const Entry& entry : entries) {
    switch (entry.from) {
      case From::kNothing:
        slots[entry.slot] = Value();
        break;
      case From::kOuter:
        slots[entry.slot] = *slot_at(runtime, entry.outer);
        break;
      case From::kVariables: {
        runtime.step();
        const Value* found = runtime.variables->find(runtime, entry.name);
        slots[entry.slot] = found == nullptr ? Value() : *found;
      }
    }
  }
}

void ScopeStart::leave(Runtime& runtime) const {
  for (const int slot : slots) runtime.activation->slots[slot] = Value();
}

void assign(const Expression& target, Value value, Runtime& runtime) {
  if (target.kind() == NodeKind::kName) {
    const Name& name = static_cast<const Name&>(target);
    *slot_at(runtime, name.place) = value;
  } else if (target.kind() == NodeKind::kNamespaceTarget) {
    const NamespaceTarget& place = static_cast<const NamespaceTarget&>(target);
    const Value object = place.object.evaluate(runtime);
    auto* space = object.is(Kind::kObject) ? dynamic_cast<Namespace*>(&object.object()) : nullptr;
    if (space == nullptr) fail("only a namespace can have its attribute '{}' set", place.attribute);
    space->set(runtime, place.attribute, value);
  } else {
    const auto& targets = static_cast<const ListDisplay&>(target).items;
    const std::span<const Value> values = collect(runtime, defined(value));
    if (values.size() != targets.size())
      fail("cannot unpack {} values into {} names", values.size(), targets.size());
    for (size_t i = 0; i < targets.size(); ++i) assign(*targets[i], values[i], runtime);
  }
}

Flow Text::execute(Runtime& runtime) const {
  runtime.write(std::string_view(text));
  return Flow::kNext;
}

Flow Print::execute(Runtime& runtime) const {
  runtime.write(value->evaluate(runtime));
  return Flow::kNext;
}

Flow If::execute(Runtime& runtime) const {
  for (const Branch& branch : branches) {
    runtime.step();
    if (is_true(runtime, branch.condition->evaluate(runtime))) return execute_all(branch.body, runtime);
  }
  return execute_all(otherwise, runtime);
}

Flow Set::execute(Runtime& runtime) const {
  assign(*target, value->evaluate(runtime), runtime);
  export_names(runtime, exports);
  return Flow::kNext;
}

Flow SetBlock::execute(Runtime& runtime) const {
  start.enter(runtime);
  Output captured;
  Output* const outside = std::exchange(runtime.output, &captured);
  const Flow flow = execute_all(body, runtime);
  runtime.output = outside;
  if (flow != Flow::kNext) return flow;
  Value value = runtime.take(std::move(captured));
  if (filter) value = apply_chain(*filter, value, runtime);
  assign(*target, value, runtime);
  export_names(runtime, exports);
  start.leave(runtime);
  return Flow::kNext;
}

Flow FilterBlock::execute(Runtime& runtime) const {
  start.enter(runtime);
  Output captured;
  Output* const outside = std::exchange(runtime.output, &captured);
  const Flow flow = execute_all(body, runtime);
  runtime.output = outside;
  if (flow != Flow::kNext) return flow;
  runtime.write(apply_chain(*filter, runtime.take(std::move(captured)), runtime));
  start.leave(runtime);
  return Flow::kNext;
}

Flow With::execute(Runtime& runtime) const {
  start.enter(runtime);
  for (size_t i = 0; i < targets.size(); ++i) assign(*targets[i], values[i]->evaluate(runtime), runtime);
  const Flow flow = execute_all(body, runtime);
  start.leave(runtime);
  return flow;
}

Flow Scope::execute(Runtime& runtime) const {
  start.enter(runtime);
  const Flow flow = execute_all(body, runtime);
  start.leave(runtime);
  return flow;
}

Flow Unloadable::execute(Runtime&) const {
  fail("{} is not supported: a chat template is one file, with no others to load", tag);
}

}  // namespace poro::jinja
