// Filters on lists, dicts and other iterables that take no attribute and no function.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "text/jinja/arguments.h"
#include "text/jinja/attributes.h"
#include "text/jinja/functions.h"
#include "text/jinja/iterators.h"
#include "text/jinja/printing.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

Value length_filter(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("length", arguments);
  return Value::integer(length(runtime, self));
}

Value list_filter(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("list", arguments);
  return Value::list(collect(runtime, self));
}

Value first(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("first", arguments);
  Value item;
  if (iterate(runtime, self)->next(runtime, item)) return item;
  return Value::undefined(Lack::kBecause, "an empty sequence has no first item");
}

// What Python's reversed() gives, or null.
Iterator* reversed(Runtime& runtime, const Value& value) {
  if (value.is_sequence()) return runtime.make<ReverseItemsIterator>(value.items());
  if (value.is_string() || value.is(Kind::kDict))
    return runtime.make<ReverseItemsIterator>(collect(runtime, value));
  if (value.is(Kind::kObject)) return value.object().iterate_backwards(runtime);
  return nullptr;
}

Value last(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("last", arguments);
  Iterator* iterator = self.is_undefined() ? iterate_items(runtime, {}) : reversed(runtime, self);
  if (iterator == nullptr) fail("a value of type {} cannot be read from its end", type_name(self));
  Value item;
  if (iterator->next(runtime, item)) return item;
  return Value::undefined(Lack::kBecause, "an empty sequence has no last item");
}

Value reverse(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("reverse", arguments);
  if (self.is_string()) return slice(runtime, self, Value(), Value(), Value::integer(-1));
  if (Iterator* iterator = reversed(runtime, self)) return Value::object(iterator);
  const std::span<const Value> items = collect(runtime, self);
  const std::span<Value> result = runtime.values(items.size());
  std::reverse_copy(items.begin(), items.end(), result.begin());
  return Value::list(result);
}

Value random_filter(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("random", arguments);
  const int64_t count = length(runtime, self);
  if (count == 0) return Value::undefined(Lack::kBecause, "an empty sequence has no random item");
  return get_item(runtime, self, Value::integer(std::rand() % count));
}

Value join(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [separator, attribute] = bind("join", arguments, {"d", "attribute"});
  const std::string_view between = separator.is_missing() ? "" : str(runtime, separator);
  const AttributePath path(runtime, attribute);
  std::string out;
  Iterator* iterator = iterate(runtime, self);
  bool is_first = true;
  for (Value item; iterator->next(runtime, item);) {
    if (!std::exchange(is_first, false)) append_str(runtime, Value::string(between), out);
    append_str(runtime, path.of(runtime, item), out);
  }
  return runtime.string(out);
}

Value items(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("items", arguments);
  if (self.is_undefined()) return Value::object(iterate_items(runtime, {}));
  if (!self.is(Kind::kDict)) fail("items needs a dict, not a value of type {}", type_name(self));
  return Value::object(runtime.make<DictIterator>(self.dict(), DictPart::kItems));
}

Value default_filter(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [value, boolean] = bind("default", arguments, {"default_value", "boolean"});
  const bool is_replaced =
      self.is_undefined() || (flag_argument(runtime, boolean, false) && !is_true(runtime, self));
  return !is_replaced ? self : value.is_missing() ? Value::string("") : value;
}

Value slice_filter(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [slices, fill_with] = bind("slice", arguments, {"slices", "fill_with"});
  const int64_t count = integer_argument("slice", required("slice", "slices", slices));
  const std::span<const Value> all = collect(runtime, self);
  if (count == 0) fail("division by zero in slice");
  if (count > kMaxRange) fail("slice makes at most {} slices", kMaxRange);
  const std::span<Value> result = runtime.values(static_cast<size_t>(std::max<int64_t>(0, count)));
  const size_t per_slice = result.empty() ? 0 : all.size() / result.size();
  const size_t longer = result.empty() ? 0 : all.size() % result.size();
  size_t at = 0;
  for (size_t i = 0; i < result.size(); ++i) {
    const size_t size = per_slice + (i < longer ? 1 : 0);
    const bool is_filled = !fill_with.is_missing() && !fill_with.is_none() && i >= longer;
    const std::span<Value> part = runtime.values(size + (is_filled ? 1 : 0));
    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(at), size, part.begin());
    if (is_filled) part[size] = fill_with;
    result[i] = Value::list(part);
    at += size;
  }
  return Value::object(iterate_items(runtime, result));
}

Value batch(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [linecount, fill_with] = bind("batch", arguments, {"linecount", "fill_with"});
  const int64_t count = integer_argument("batch", required("batch", "linecount", linecount));
  const std::span<const Value> all = collect(runtime, self);
  std::vector<Value> batches;
  // With a line count below 1 Python's loop never finds a full line but the first, empty one.
  if (count <= 0 && !all.empty()) {
    if (count == 0) batches.push_back(Value::list({}));
    batches.push_back(Value::list(all));
  } else {
    for (size_t at = 0; at < all.size(); at += static_cast<size_t>(count)) {
      const size_t size = std::min(all.size() - at, static_cast<size_t>(count));
      const bool is_filled = !fill_with.is_missing() && !fill_with.is_none();
      const std::span<Value> part = runtime.values(is_filled ? static_cast<size_t>(count) : size);
      std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(at), size, part.begin());
      std::fill(part.begin() + static_cast<std::ptrdiff_t>(size), part.end(), fill_with);
      batches.push_back(Value::list(part));
    }
  }
  return Value::object(iterate_items(runtime, runtime.list(batches).items()));
}

constexpr NativeEntry kFilters[] = {
    {"batch", batch},
    {"count", length_filter},
    {"d", default_filter},
    {"default", default_filter},
    {"first", first},
    {"items", items},
    {"join", join},
    {"last", last},
    {"length", length_filter},
    {"list", list_filter},
    {"random", random_filter},
    {"reverse", reverse},
    {"slice", slice_filter},
};

}  // namespace

std::span<const NativeEntry> sequence_filters() {
  return kFilters;
}

}  // namespace poro::jinja
