// What Python does with values: truth, comparison, arithmetic, indexing, iteration, calls. Errors are Errors
// that say what was tried with which type.
#pragma once

#include <optional>
#include <string_view>

#include "text/jinja/ast.h"
#include "text/jinja/object.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace poro::jinja {

// Of the type, as Python names it: "str", "dict", "NoneType".
std::string_view type_name(const Value& value);
// Throws what using an undefined value gives.
[[noreturn]] void fail_undefined(const Value& value);
// Throws for an undefined value, passes others on.
const Value& defined(const Value& value);

bool is_true(Runtime& runtime, const Value& value);
std::optional<int64_t> length_of(Runtime& runtime, const Value& value);  // Empty: the type has no length.
int64_t length(Runtime& runtime, const Value& value);                    // Throws instead.

Iterator* try_iterate(Runtime& runtime, const Value& value);  // Null: not iterable.
Iterator* iterate(Runtime& runtime, const Value& value);      // Throws instead.
Iterator* iterate_items(Runtime& runtime, std::span<const Value> items);
// All values an iterable gives, in the arena.
std::span<const Value> collect(Runtime& runtime, const Value& value);

bool equal(Runtime& runtime, const Value& left, const Value& right);
bool less(Runtime& runtime, const Value& left, const Value& right);
bool compare(Runtime& runtime, Comparison comparison, const Value& left, const Value& right);
bool contains(Runtime& runtime, const Value& container, const Value& item);
// Throws for lists and dicts. Equal values have equal hashes.
uint64_t hash(Runtime& runtime, const Value& value);

Value add(Runtime& runtime, const Value& left, const Value& right);
Value multiply(Runtime& runtime, const Value& left, const Value& right);
Value arithmetic(Runtime& runtime, BinaryOperator op, const Value& left, const Value& right);
Value negate(const Value& value);

// `object.name` and `object[key]` as Jinja2's sandbox resolves them: keys and a fixed set of methods, else
// undefined.
Value get_attribute(Runtime& runtime, const Value& object, std::string_view name);
Value get_item(Runtime& runtime, const Value& object, const Value& key);
Value slice(Runtime& runtime, const Value& object, const Value& start, const Value& stop,
            const Value& step);  // Missing: not given.

Value call(Runtime& runtime, const Value& callee, const Arguments& arguments);

}  // namespace poro::jinja
