// For loops: plain, filtered, recursive, with the loop variable and else.
#include "text/jinja/functions.h"
#include "text/jinja/objects.h"
#include "text/jinja/operations.h"
#include "text/jinja/printing.h"

namespace poro::jinja {
namespace {

// The values for which the condition of the loop holds. It runs ahead of the body when that asks for
// loop.last.
class FilteredIterator final : public Iterator {
 public:
  FilteredIterator(const For& loop, Iterator* source, Activation* activation)
      : loop_(&loop), source_(source), activation_(activation) {}

  bool next(Runtime& runtime, Value& out) override {
    while (source_->next(runtime, out)) {
      Activation* const outside = std::exchange(runtime.activation, activation_);
      assign(*loop_->condition_target, out, runtime);
      const bool is_wanted = is_true(runtime, loop_->condition->evaluate(runtime));
      runtime.activation = outside;
      if (is_wanted) return true;
    }
    return false;
  }

 private:
  const For* loop_;
  Iterator* source_;
  Activation* activation_;
};

// The text that one level of a recursive loop writes.
Value run_recursive(Runtime& runtime, const For& loop, Value values, int level, Activation* around) {
  const Nesting nesting(runtime.macro_depth, kMaxMacroDepth, "macro calls");
  Activation* const outside = std::exchange(runtime.activation, runtime.activate(loop.function, around));
  const int line = runtime.line;
  Output captured;
  Output* const output = std::exchange(runtime.output, &captured);
  loop.run(runtime, values, level);
  runtime.output = output;
  runtime.activation = outside;
  runtime.line = line;
  return runtime.take(std::move(captured));
}

Value call_cycle(Runtime& runtime, Value self, const Arguments& arguments) {
  return static_cast<LoopObject&>(self.object()).cycle(runtime, arguments);
}

Value call_changed(Runtime& runtime, Value self, const Arguments& arguments) {
  return Value::boolean(static_cast<LoopObject&>(self.object()).changed(runtime, arguments));
}

}  // namespace

Flow For::execute(Runtime& runtime) const {
  const Value values = iterable->evaluate(runtime);
  if (!is_recursive) return run(runtime, values, 0);
  runtime.write(run_recursive(runtime, *this, values, 0, runtime.activation));
  return Flow::kNext;
}

Flow For::run(Runtime& runtime, Value values, int level) const {
  Iterator* iterator = iterate(runtime, values);
  if (condition) {
    Activation* const activation = runtime.activate(condition_function, runtime.activation);
    Activation* const outside = std::exchange(runtime.activation, activation);
    condition_function.start.enter(runtime);
    runtime.activation = outside;
    iterator = runtime.make<FilteredIterator>(*this, iterator, activation);
    values = Value::object(iterator);
  }
  LoopObject* loop = nullptr;
  if (has_loop_variable)
    loop = runtime.make<LoopObject>(*this, values, iterator, level,
                                    is_recursive ? runtime.activation->parent : nullptr);
  bool is_finished_once = false;  // As in Jinja2, `continue` in every round still gives the else.
  Value item;
  while (loop != nullptr ? loop->advance(runtime, item) : iterator->next(runtime, item)) {
    assign(*target, item, runtime);
    if (loop != nullptr) runtime.activation->slots[loop_slot] = Value::object(loop);
    body_start.enter(runtime);
    const Flow flow = execute_all(body, runtime);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kNext) is_finished_once = true;
  }
  body_start.leave(runtime);
  if (is_finished_once || otherwise.empty()) return Flow::kNext;
  otherwise_start.enter(runtime);
  const Flow flow = execute_all(otherwise, runtime);
  otherwise_start.leave(runtime);
  return flow;
}

bool LoopObject::advance(Runtime& runtime, Value& item) {
  if (!after_.is_missing()) {
    item = std::exchange(after_, Value());
  } else if (!iterator_->next(runtime, item)) {
    return false;
  }
  ++index0_;
  before_ = current_;
  current_ = item;
  return true;
}

const Value& LoopObject::peek(Runtime& runtime) {
  if (after_.is_missing() && !iterator_->next(runtime, after_)) after_ = Value();
  return after_;
}

std::optional<int64_t> LoopObject::length(Runtime& runtime) {
  if (length_ >= 0) return length_;
  const bool is_iterator = values_.is(Kind::kObject) && dynamic_cast<Iterator*>(&values_.object()) != nullptr;
  const std::optional<int64_t> known = is_iterator ? std::nullopt : length_of(runtime, values_);
  if (known) return length_ = *known;
  const std::span<const Value> rest = collect(runtime, Value::object(iterator_));
  iterator_ = iterate_items(runtime, rest);
  return length_ = static_cast<int64_t>(rest.size()) + index0_ + 1 + (after_.is_missing() ? 0 : 1);
}

Value LoopObject::cycle(Runtime&, const Arguments& arguments) const {
  if (!arguments.named.empty() || arguments.positional.empty())
    fail("loop.cycle needs the values to cycle through");
  return arguments.positional[static_cast<size_t>(index0_) % arguments.positional.size()];
}

bool LoopObject::changed(Runtime& runtime, const Arguments& arguments) {
  if (!arguments.named.empty()) fail("loop.changed takes no named arguments");
  const Value now = Value::tuple(arguments.positional);
  if (!last_changed_.is_missing() && equal(runtime, last_changed_, now)) return false;
  last_changed_ = now;
  return true;
}

std::optional<Value> LoopObject::attribute(Runtime& runtime, std::string_view name) {
  if (name == "index") return Value::integer(index0_ + 1);
  if (name == "index0") return Value::integer(index0_);
  if (name == "first") return Value::boolean(index0_ == 0);
  if (name == "last") return Value::boolean(peek(runtime).is_missing());
  if (name == "length") return Value::integer(*length(runtime));
  if (name == "revindex") return Value::integer(*length(runtime) - index0_);
  if (name == "revindex0") return Value::integer(*length(runtime) - index0_ - 1);
  if (name == "depth") return Value::integer(level_ + 1);
  if (name == "depth0") return Value::integer(level_);
  if (name == "previtem")
    return index0_ == 0 ? Value::undefined(Lack::kBecause, "there is no previous item") : before_;
  if (name == "nextitem") {
    const Value& next = peek(runtime);
    return next.is_missing() ? Value::undefined(Lack::kBecause, "there is no next item") : next;
  }
  if (name == "cycle") return native_method(runtime, Value::object(this), call_cycle, "cycle");
  if (name == "changed") return native_method(runtime, Value::object(this), call_changed, "changed");
  return std::nullopt;
}

void LoopObject::write(Runtime& runtime, std::string& out) const {
  out += fmt::format("<LoopContext {}/{}>", index0_ + 1, *const_cast<LoopObject*>(this)->length(runtime));
}

Value LoopObject::call(Runtime& runtime, const Arguments& arguments) {
  if (!loop_->is_recursive) fail("only a loop marked recursive can be called");
  if (arguments.positional.size() != 1 || !arguments.named.empty())
    fail("a recursive loop is called with one iterable");
  return run_recursive(runtime, *loop_, arguments.positional[0], level_ + 1, around_);
}

}  // namespace poro::jinja
