// Types, truth, length, iteration, comparison and hashing.
#include "text/jinja/operations.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "text/jinja/iterators.h"
#include "text/jinja/search.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kMissing:
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kObject:
      return "object";
  }
  return "object";
}

// Compares exactly, also where a double cannot hold the integer: long double holds both.
int compare_numbers(const Value& left, const Value& right) {
  const auto exact = [](const Value& value) {
    return value.is(Kind::kFloat) ? static_cast<long double>(value.number())
                                  : static_cast<long double>(value.integer());
  };
  const long double a = exact(left), b = exact(right);
  return a < b ? -1 : a > b ? 1 : a == b ? 0 : 2;  // 2: not a number is involved.
}

bool equal_items(Runtime& runtime, std::span<const Value> left, std::span<const Value> right) {
  if (left.size() != right.size()) return false;
  runtime.step_items(left.size());
  const Nesting nesting(runtime.value_depth, kMaxValueDepth, "values");
  for (size_t i = 0; i < left.size(); ++i)
    if (!left[i].same_as(right[i]) && !equal(runtime, left[i], right[i])) return false;
  return true;
}

bool equal_dicts(Runtime& runtime, const Dict& left, const Dict& right) {
  if (left.entries().size() != right.entries().size()) return false;
  const Nesting nesting(runtime.value_depth, kMaxValueDepth, "values");
  for (const Dict::Entry& entry : left.entries()) {
    const Value* other = right.find(runtime, entry.key);
    if (other == nullptr || !equal(runtime, entry.value, *other)) return false;
  }
  return true;
}

// Of lists and tuples: the order of the first items that differ.
bool compare_items(Runtime& runtime, Comparison comparison, std::span<const Value> left,
                   std::span<const Value> right) {
  const Nesting nesting(runtime.value_depth, kMaxValueDepth, "values");
  runtime.step_items(std::min(left.size(), right.size()));
  for (size_t i = 0; i < std::min(left.size(), right.size()); ++i)
    if (!left[i].same_as(right[i]) && !equal(runtime, left[i], right[i]))
      return compare(runtime, comparison, left[i], right[i]);
  return compare(runtime, comparison, Value::integer(static_cast<int64_t>(left.size())),
                 Value::integer(static_cast<int64_t>(right.size())));
}

bool holds(Comparison comparison, int order) {
  if (order == 2) return false;
  switch (comparison) {
    case Comparison::kLess:
      return order < 0;
    case Comparison::kLessEqual:
      return order <= 0;
    case Comparison::kGreater:
      return order > 0;
    default:
      return order >= 0;
  }
}

std::string_view symbol(Comparison comparison) {
  switch (comparison) {
    case Comparison::kLess:
      return "<";
    case Comparison::kLessEqual:
      return "<=";
    case Comparison::kGreater:
      return ">";
    default:
      return ">=";
  }
}

}  // namespace

std::string_view type_name(const Value& value) {
  return value.is(Kind::kObject) ? value.object().type_name()
         : value.is_markup()     ? "Markup"
                                 : kind_name(value.kind());
}

void fail_undefined(const Value& value) {
  if (value.lack() == Lack::kBecause) fail("{}", value.text());
  if (value.lack() == Lack::kVariable) fail("'{}' is undefined", value.text());
  fail("a value of type {} has no attribute '{}'", kind_name(value.owner()), value.text());
}

const Value& defined(const Value& value) {
  if (value.is_undefined()) fail_undefined(value);
  return value;
}

bool is_true(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.integer() != 0;
    case Kind::kFloat:
      return value.number() != 0;
    case Kind::kString:
      return !value.text().empty();
    case Kind::kList:
    case Kind::kTuple:
      return !value.items().empty();
    case Kind::kDict:
      return !value.dict().entries().empty();
    case Kind::kObject:
      return value.object().length(runtime).value_or(1) != 0;
  }
  return false;
}

std::optional<int64_t> length_of(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      runtime.step_bytes(value.text().size());
      return static_cast<int64_t>(count_characters(value.text()));
    case Kind::kList:
    case Kind::kTuple:
      return static_cast<int64_t>(value.items().size());
    case Kind::kDict:
      return static_cast<int64_t>(value.dict().entries().size());
    case Kind::kObject:
      return value.object().length(runtime);
    default:
      return std::nullopt;
  }
}

int64_t length(Runtime& runtime, const Value& value) {
  const std::optional<int64_t> result = length_of(runtime, value);
  if (!result) fail("a value of type {} has no length", type_name(value));
  return *result;
}

Iterator* iterate_items(Runtime& runtime, std::span<const Value> items) {
  return runtime.make<ItemsIterator>(items);
}

Iterator* try_iterate(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return iterate_items(runtime, {});
    case Kind::kString:
      return runtime.make<CharactersIterator>(value.text());
    case Kind::kList:
    case Kind::kTuple:
      return iterate_items(runtime, value.items());
    case Kind::kDict:
      return runtime.make<DictIterator>(value.dict(), DictPart::kKeys);
    case Kind::kObject:
      return value.object().iterate(runtime);
    default:
      return nullptr;
  }
}

Iterator* iterate(Runtime& runtime, const Value& value) {
  Iterator* iterator = try_iterate(runtime, value);
  if (iterator == nullptr) fail("a value of type {} cannot be iterated over", type_name(value));
  return iterator;
}

std::span<const Value> collect(Runtime& runtime, const Value& value) {
  if (value.is_sequence()) return value.items();
  Iterator* iterator = iterate(runtime, value);
  std::vector<Value> items;
  for (Value item; iterator->next(runtime, item);) items.push_back(item);
  return runtime.list(items).items();
}

bool equal(Runtime& runtime, const Value& left, const Value& right) {
  runtime.step();
  if (left.is_numeric() && right.is_numeric()) return compare_numbers(left, right) == 0;
  if (left.kind() != right.kind()) return false;
  switch (left.kind()) {
    case Kind::kString:
      if (left.text().size() != right.text().size()) return false;
      runtime.step(left.text().size() / 64);
      return left.text() == right.text();
    case Kind::kList:
    case Kind::kTuple:
      return equal_items(runtime, left.items(), right.items());
    case Kind::kDict:
      return equal_dicts(runtime, left.dict(), right.dict());
    case Kind::kObject:
      return left.object().equals(runtime, right.object());
    default:
      return true;  // None, and undefined values, which are all equal.
  }
}

bool compare(Runtime& runtime, Comparison comparison, const Value& left, const Value& right) {
  runtime.step();
  switch (comparison) {
    case Comparison::kEqual:
      return equal(runtime, left, right);
    case Comparison::kNotEqual:
      return !equal(runtime, left, right);
    case Comparison::kIn:
      return contains(runtime, right, left);
    case Comparison::kNotIn:
      return !contains(runtime, right, left);
    default:
      break;
  }
  defined(left);
  defined(right);
  if (left.is_numeric() && right.is_numeric()) return holds(comparison, compare_numbers(left, right));
  if (left.is_string() && right.is_string()) {
    runtime.step(std::min(left.text().size(), right.text().size()) / 64);
    // The order of UTF-8 is that of the characters.
    const auto order = left.text() <=> right.text();
    return holds(comparison, order < 0 ? -1 : order > 0 ? 1 : 0);
  }
  if (left.is_sequence() && left.kind() == right.kind())
    return compare_items(runtime, comparison, left.items(), right.items());
  fail("cannot compare values of type {} and {} with {}", type_name(left), type_name(right),
       symbol(comparison));
}

bool less(Runtime& runtime, const Value& left, const Value& right) {
  return compare(runtime, Comparison::kLess, left, right);
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  runtime.step();
  if (container.is_string()) {
    if (!item.is_string()) fail("only a string can be in a string, not a value of type {}", type_name(item));
    runtime.step_bytes(container.text().size());
    return find_text(container.text(), item.text()) != std::string_view::npos;
  }
  if (container.is(Kind::kDict)) {
    hash(runtime, item);
    return container.dict().find(runtime, item) != nullptr;
  }
  if (container.is(Kind::kObject))
    if (const std::optional<bool> found = container.object().contains(runtime, item)) return *found;
  Iterator* iterator = try_iterate(runtime, container);
  if (iterator == nullptr) fail("nothing can be in a value of type {}", type_name(container));
  for (Value candidate; iterator->next(runtime, candidate);)
    if (candidate.same_as(item) || equal(runtime, candidate, item)) return true;
  return false;
}

uint64_t hash(Runtime& runtime, const Value& value) {
  runtime.step();
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone:
      return 0x9e3779b9;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat: {
      const double number = value.number();
      return std::hash<double>()(number == 0 ? 0 : number) * 0x9e3779b97f4a7c15ull >> 20;
    }
    case Kind::kString:
      runtime.step(value.text().size() / 64);
      return std::hash<std::string_view>()(value.text());
    case Kind::kTuple: {
      const Nesting nesting(runtime.value_depth, kMaxValueDepth, "values");
      uint64_t result = 0x345678;
      for (const Value& item : value.items()) result = (result ^ hash(runtime, item)) * 0x100000001b3ull;
      return result;
    }
    case Kind::kObject:
      return reinterpret_cast<uintptr_t>(&value.object()) >> 4;
    case Kind::kList:
    case Kind::kDict:
      break;
  }
  fail("a value of type {} cannot be a key of a dict", type_name(value));
}

}  // namespace poro::jinja
