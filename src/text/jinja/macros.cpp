// Macros, call blocks, generation blocks and template blocks: the code that has variables of its own.
#include <algorithm>

#include "text/jinja/functions.h"
#include "text/jinja/objects.h"
#include "text/jinja/operations.h"
#include "text/jinja/printing.h"

namespace poro::jinja {
namespace {

// Named arguments, each of which is taken once.
class NamedArguments {
 public:
  explicit NamedArguments(std::span<const Named> named) : left_(named.begin(), named.end()) {}

  // Missing if there is none.
  Value take(std::string_view name) {
    const auto found =
        std::find_if(left_.begin(), left_.end(), [&](const Named& named) { return named.name == name; });
    if (found == left_.end()) return Value();
    const Value value = found->value;
    left_.erase(found);
    return value;
  }
  const std::vector<Named>& left() const { return left_; }

 private:
  std::vector<Named> left_;
};

}  // namespace

void MacroObject::write(Runtime&, std::string& out) const {
  if (code_->name.empty()) {
    out += "<Macro anonymous>";
    return;
  }
  out += "<Macro ";
  append_repr_of_string(out, code_->name);
  out += '>';
}

std::optional<Value> MacroObject::attribute(Runtime& runtime, std::string_view name) {
  if (name == "name") return code_->name.empty() ? Value::none() : Value::string(code_->name);
  if (name == "caller") return Value::boolean(code_->caller_slot >= 0 || code_->has_caller_parameter);
  if (name == "catch_kwargs") return Value::boolean(code_->kwargs_slot >= 0);
  if (name == "catch_varargs") return Value::boolean(code_->varargs_slot >= 0);
  if (name == "arguments") {
    const std::span<Value> names = runtime.values(code_->parameters.size());
    for (size_t i = 0; i < names.size(); ++i) names[i] = Value::string(code_->parameters[i]->name);
    return Value::tuple(names);
  }
  return std::nullopt;
}

void MacroObject::bind_parameters(Runtime& runtime, const Arguments& arguments,
                                  Activation& activation) const {
  const size_t count = code_->parameters.size();
  const size_t positional = std::min(arguments.positional.size(), count);
  NamedArguments named(arguments.named);
  for (size_t i = 0; i < count; ++i)
    activation.slots[code_->parameters[i]->place.slot] =
        i < positional ? arguments.positional[i] : named.take(code_->parameters[i]->name);
  if (code_->caller_slot >= 0) {
    const Value caller = named.take("caller");
    activation.slots[code_->caller_slot] =
        caller.is_missing() || caller.is_none()
            ? Value::undefined(Lack::kBecause, "the macro was called without a caller")
            : caller;
  }
  if (code_->kwargs_slot >= 0) {
    Dict* rest = runtime.dict();
    for (const Named& argument : named.left())
      rest->set(runtime, Value::string(argument.name), argument.value);
    activation.slots[code_->kwargs_slot] = Value::dict(rest);
  } else if (!named.left().empty()) {
    fail("the macro {} has no parameter {}", code_->name, named.left().front().name);
  }
  if (code_->varargs_slot >= 0) {
    activation.slots[code_->varargs_slot] = Value::tuple(arguments.positional.subspan(positional));
  } else if (arguments.positional.size() > count) {
    fail("the macro {} takes at most {} arguments", code_->name, count);
  }
}

Value MacroObject::call(Runtime& runtime, const Arguments& arguments) {
  const Nesting nesting(runtime.macro_depth, kMaxMacroDepth, "macro calls");
  Activation* const activation = runtime.activate(code_->function, around_);
  bind_parameters(runtime, arguments, *activation);
  Activation* const outside = std::exchange(runtime.activation, activation);
  const int line = runtime.line;
  Output captured;
  Output* const output = std::exchange(runtime.output, &captured);
  code_->function.start.enter(runtime);
  const size_t count = code_->parameters.size(), first_default = count - code_->defaults.size();
  for (size_t i = 0; i < count; ++i) {
    Value& value = activation->slots[code_->parameters[i]->place.slot];
    if (!value.is_missing()) continue;
    value = i >= first_default ? code_->defaults[i - first_default]->evaluate(runtime)
                               : Value::undefined(Lack::kBecause, runtime.copy("the macro's parameter '" +
                                                                               code_->parameters[i]->name +
                                                                               "' was not provided"));
  }
  execute_all(code_->body, runtime);
  runtime.output = output;
  runtime.activation = outside;
  runtime.line = line;
  return runtime.take(std::move(captured));
}

Flow Macro::execute(Runtime& runtime) const {
  const Value macro = Value::object(runtime.make<MacroObject>(*this, runtime.activation));
  runtime.activation->slots[slot] = macro;
  if (is_exported) runtime.variables->set(runtime, Value::string(name), macro);
  return Flow::kNext;
}

Flow CallBlock::execute(Runtime& runtime) const {
  const Value caller = Value::object(runtime.make<MacroObject>(*this, runtime.activation));
  runtime.write(call->call_with(runtime, &caller));
  return Flow::kNext;
}

Flow Generation::execute(Runtime& runtime) const {
  const Value body = MacroObject(*this, runtime.activation).call(runtime, {});
  const size_t start = runtime.output->text.size();
  runtime.write(
      body.text());  // As text, without the spans of generation blocks inside: they are part of this one.
  if (!body.text().empty()) runtime.output->spans.emplace_back(start, start + body.text().size());
  return Flow::kNext;
}

Flow Block::execute(Runtime& runtime) const {
  if (is_required) fail("the required block {} is not filled in", name);
  Activation* const outside = std::exchange(runtime.activation, runtime.activate(function, nullptr));
  function.start.enter(runtime);
  const Flow flow = execute_all(body, runtime);
  runtime.activation = outside;
  return flow;
}

}  // namespace poro::jinja
