// map, select and their like: lazy, as in Jinja2, so an item that is never asked for is never looked at.
#include "text/jinja/arguments.h"
#include "text/jinja/attributes.h"
#include "text/jinja/functions.h"

namespace poro::jinja {
namespace {

// The values lie in the arena, which an AttributePath with its vector could not.
struct Step {
  std::span<const Value> path;  // Attributes to follow.
  Value otherwise;              // For a missing attribute; missing itself: none.
  Native function = nullptr;    // Filter or test; null: none.
  Arguments arguments;

  Value of(Runtime& runtime, const Value& item) const { return follow(runtime, item, path, otherwise); }
};

std::span<const Value> path_of(Runtime& runtime, const Value& attribute) {
  return runtime.list(AttributePath(runtime, attribute).parts()).items();
}

class MapIterator final : public Iterator {
 public:
  MapIterator(Iterator* source, Step step) : source_(source), step_(step) {}
  bool next(Runtime& runtime, Value& out) override {
    if (source_ == nullptr || !source_->next(runtime, out)) return false;
    out = step_.of(runtime, out);
    if (step_.function != nullptr) out = step_.function(runtime, out, step_.arguments);
    return true;
  }

 private:
  Iterator* source_;
  Step step_;
};

class SelectIterator final : public Iterator {
 public:
  SelectIterator(Iterator* source, Step step, bool wanted) : source_(source), step_(step), wanted_(wanted) {}
  bool next(Runtime& runtime, Value& out) override {
    while (source_ != nullptr && source_->next(runtime, out)) {
      const Value tested = step_.of(runtime, out);
      const Value verdict =
          step_.function != nullptr ? step_.function(runtime, tested, step_.arguments) : tested;
      if (is_true(runtime, verdict) == wanted_) return true;
    }
    return false;
  }

 private:
  Iterator* source_;
  Step step_;
  bool wanted_;
};

// Something false gives no items, whatever it is.
Iterator* source_of(Runtime& runtime, const Value& value) {
  return is_true(runtime, value) ? iterate(runtime, value) : iterate_items(runtime, {});
}

Native named_function(Native (*find)(std::string_view), const char* what, const Value& name) {
  const std::string_view text = string_argument(what, name);
  const Native function = find(text);
  if (function == nullptr) fail("there is no {} named \"{}\"", what, text);
  return function;
}

Value map(Runtime& runtime, Value self, const Arguments& arguments) {
  Step step;
  if (arguments.positional.empty() && !arguments.named.empty()) {
    const auto [attribute, otherwise] = bind("map", arguments, {"attribute", "default"});
    if (attribute.is_missing()) fail("map needs a filter or an attribute");
    step.path = path_of(runtime, attribute);
    step.otherwise = otherwise;
  } else if (arguments.positional.empty()) {
    if (is_true(runtime, self)) fail("map needs a filter or an attribute");
  } else {
    // Of nothing, nothing is asked.
    if (is_true(runtime, self))
      step.function = named_function(find_filter, "filter", arguments.positional[0]);
    step.arguments = {arguments.positional.subspan(1), arguments.named};
  }
  return Value::object(runtime.make<MapIterator>(source_of(runtime, self), step));
}

template <bool kWanted, bool kByAttribute>
Value select(Runtime& runtime, Value self, const Arguments& arguments) {
  Step step;
  std::span<const Value> rest = arguments.positional;
  const bool is_something = is_true(runtime, self);  // Of nothing, nothing is asked.
  if (kByAttribute) {
    if (rest.empty() && is_something) fail("selecting by attribute needs the name of the attribute");
    if (!rest.empty()) {
      step.path = path_of(runtime, rest[0]);
      rest = rest.subspan(1);
    }
  }
  if (!rest.empty() && is_something) {
    step.function = named_function(find_test, "test", rest[0]);
    step.arguments = {rest.subspan(1), arguments.named};
  }
  return Value::object(runtime.make<SelectIterator>(source_of(runtime, self), step, kWanted));
}

constexpr NativeEntry kFilters[] = {
    {"map", map},
    {"reject", select<false, false>},
    {"rejectattr", select<false, true>},
    {"select", select<true, false>},
    {"selectattr", select<true, true>},
};

}  // namespace

std::span<const NativeEntry> selection_filters() {
  return kFilters;
}

}  // namespace poro::jinja
