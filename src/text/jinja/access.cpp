// Attributes, items, slices and calls: everything a template can reach, hence the sandbox.
#include <algorithm>

#include "text/jinja/functions.h"
#include "text/jinja/iterators.h"
#include "text/jinja/operations.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

// A method and its receiver.
class BoundMethod final : public Object {
 public:
  BoundMethod(Value self, Native function, std::string_view name)
      : self_(self), function_(function), name_(name) {}
  std::string_view type_name() const override { return "builtin_function_or_method"; }
  void write(Runtime&, std::string& out) const override {
    out += fmt::format("<built-in method {} of {} object>", name_, jinja::type_name(self_));
  }
  bool is_callable() const override { return true; }
  Value call(Runtime& runtime, const Arguments& arguments) override {
    return function_(runtime, self_, arguments);
  }

 private:
  Value self_;
  Native function_;
  std::string_view name_;
};

Native find_method(Kind kind, std::string_view name) {
  switch (kind) {
    case Kind::kString:
      return find_string_method(name);
    case Kind::kList:
      return find_list_method(name);
    case Kind::kTuple:
      return find_tuple_method(name);
    case Kind::kDict:
      return find_dict_method(name);
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      return find_number_method(kind, name);
    default:
      return nullptr;
  }
}

// What Python's getattr finds, where the sandbox lets it through.
std::optional<Value> attribute_of(Runtime& runtime, const Value& object, std::string_view name) {
  if (object.is(Kind::kObject)) return object.object().attribute(runtime, name);
  if (const Native method = find_method(object.kind(), name))
    return native_method(runtime, object, method, name);
  if (is_refused_method(object.kind(), name) || name.starts_with("__")) {
    return Value::undefined(Lack::kBecause,
                            runtime.copy(fmt::format("the sandbox does not allow '{}' of a value of type {}",
                                                     name, type_name(object))));
  }
  if (object.is_integral() || object.is(Kind::kFloat)) {
    if (name == "real" || (object.is_integral() && name == "numerator"))
      return object.is(Kind::kBool) ? Value::integer(object.integer()) : object;
    if (name == "imag") return object.is(Kind::kFloat) ? Value::number(0) : Value::integer(0);
    if (object.is_integral() && name == "denominator") return Value::integer(1);
  }
  return std::nullopt;
}

// The item at `key`, where obj[key] would find one.
std::optional<Value> item_of(Runtime& runtime, const Value& object, const Value& key) {
  if (object.is(Kind::kDict)) {
    if (key.is(Kind::kList) || key.is(Kind::kDict)) return std::nullopt;
    const Value* found = object.dict().find(runtime, key);
    return found == nullptr ? std::nullopt : std::optional(*found);
  }
  if (object.is(Kind::kObject)) return object.object().item(runtime, key);
  if (!key.is_integral()) return std::nullopt;
  int64_t index = key.integer();
  if (object.is_sequence()) {
    const std::span<const Value> items = object.items();
    if (index < 0) index += static_cast<int64_t>(items.size());
    if (index < 0 || index >= static_cast<int64_t>(items.size())) return std::nullopt;
    return items[static_cast<size_t>(index)];
  }
  if (object.is_string()) {
    const std::string_view text = object.text();
    runtime.step_bytes(text.size());
    if (index < 0) index += static_cast<int64_t>(count_characters(text));
    if (index < 0) return std::nullopt;
    runtime.step_characters(std::min(text.size(), static_cast<size_t>(index)));
    const size_t start = byte_offset(text, static_cast<size_t>(index));
    if (start >= text.size()) return std::nullopt;
    return like(object, text.substr(start, character_bytes(text, start)));
  }
  return std::nullopt;
}

int64_t slice_bound(const Value& value) {
  if (!defined(value).is_integral())
    fail("the bounds of a slice must be integers, not of type {}", type_name(value));
  return value.integer();
}

// Start, stop and step of a slice over `length` items, as Python clips them.
RangeBounds slice_indices(int64_t length, const Value& start, const Value& stop, const Value& step) {
  const auto is_given = [](const Value& value) { return !value.is_missing() && !value.is_none(); };
  RangeBounds indices;
  indices.step = is_given(step) ? slice_bound(step) : 1;
  if (indices.step == 0) fail("the step of a slice cannot be 0");
  indices.step = std::max(indices.step, -INT64_MAX);
  const int64_t lowest = indices.step > 0 ? 0 : -1, highest = indices.step > 0 ? length : length - 1;
  const auto clip = [&](const Value& value) {
    const int64_t bound = slice_bound(value);
    return std::clamp(bound < 0 ? bound + length : bound, lowest, highest);
  };
  indices.start = is_given(start) ? clip(start) : indices.step > 0 ? lowest : highest;
  indices.stop = is_given(stop) ? clip(stop) : indices.step > 0 ? highest : lowest;
  return indices;
}

Value slice_string(Runtime& runtime, const Value& object, const RangeBounds& indices, int64_t length) {
  const std::string_view text = object.text();
  runtime.step_bytes(text.size());
  if (indices.step == 1) {
    const size_t from = byte_offset(text, static_cast<size_t>(indices.start));
    const size_t to = byte_offset(text, static_cast<size_t>(std::max(indices.start, indices.stop)));
    return like(object, text.substr(from, to - from));
  }
  std::vector<uint32_t> starts;
  starts.reserve(static_cast<size_t>(length) + 1);
  for (size_t at = 0; at < text.size(); next_character(text, at)) starts.push_back(static_cast<uint32_t>(at));
  starts.push_back(static_cast<uint32_t>(text.size()));
  runtime.step(starts.size());
  std::string out;
  for (int64_t i = 0; i < indices.count(); ++i) {
    const size_t at = static_cast<size_t>(indices.at(i));
    out += text.substr(starts[at], starts[at + 1] - starts[at]);
  }
  return like(object, runtime.copy(out));
}

Value undefined_item(Runtime& runtime, const Value& object, const Value& key) {
  if (key.is_string()) return Value::undefined(Lack::kAttribute, key.text(), object.kind());
  return Value::undefined(
      Lack::kBecause, runtime.copy(fmt::format("a value of type {} has no such element", type_name(object))));
}

}  // namespace

Value get_attribute(Runtime& runtime, const Value& object, std::string_view name) {
  defined(object);
  if (const std::optional<Value> found = attribute_of(runtime, object, name)) return *found;
  if (const std::optional<Value> found = item_of(runtime, object, Value::string(name))) return *found;
  return Value::undefined(Lack::kAttribute, name, object.kind());
}

Value get_item(Runtime& runtime, const Value& object, const Value& key) {
  defined(object);
  if (const std::optional<Value> found = item_of(runtime, object, key)) return *found;
  if (key.is_string())
    if (const std::optional<Value> found = attribute_of(runtime, object, key.text())) return *found;
  return undefined_item(runtime, object, key);
}

Value slice(Runtime& runtime, const Value& object, const Value& start, const Value& stop, const Value& step) {
  const bool is_range =
      object.is(Kind::kObject) && object.object().is_subscriptable() && !object.object().is_mapping();
  if (!defined(object).is_string() && !object.is_sequence() && !is_range)
    fail("a value of type {} cannot be sliced", type_name(object));
  const int64_t size = length(runtime, object);
  const RangeBounds indices = slice_indices(size, start, stop, step);
  if (object.is_string()) return slice_string(runtime, object, indices, size);
  if (is_range) {
    const auto* range = dynamic_cast<const Range*>(&object.object());
    CHECK(range != nullptr, "only ranges are sliceable objects");
    return range->slice(runtime, indices);
  }
  const std::span<const Value> items = object.items();
  const size_t count = static_cast<size_t>(indices.count());
  std::span<const Value> result;
  if (indices.step == 1) {
    result = items.subspan(static_cast<size_t>(indices.start), count);
  } else {
    const std::span<Value> picked = runtime.values(count);
    runtime.step(count);
    for (size_t i = 0; i < count; ++i)
      picked[i] = items[static_cast<size_t>(indices.at(static_cast<int64_t>(i)))];
    result = picked;
  }
  return object.is(Kind::kList) ? Value::list(result) : Value::tuple(result);
}

Value call(Runtime& runtime, const Value& callee, const Arguments& arguments) {
  if (!defined(callee).is(Kind::kObject)) fail("a value of type {} cannot be called", type_name(callee));
  return callee.object().call(runtime, arguments);
}

Value native_method(Runtime& runtime, Value self, Native function, std::string_view name) {
  return Value::object(runtime.make<BoundMethod>(self, function, runtime.copy(name)));
}

Value Object::call(Runtime&, const Arguments&) {
  fail("a value of type {} cannot be called", type_name());
}

}  // namespace poro::jinja
