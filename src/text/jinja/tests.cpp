// Tests: what comes after `is`.
#include <algorithm>

#include "text/jinja/arguments.h"
#include "text/jinja/functions.h"
#include "text/jinja/printing.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

using Predicate = bool (*)(Runtime&, const Value&);

template <Predicate kPredicate>
Value test(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("this test", arguments);
  return Value::boolean(kPredicate(runtime, self));
}

template <Comparison kComparison>
Value comparison(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [other] = bind("this test", arguments, {"other"});
  return Value::boolean(compare(runtime, kComparison, self, required("this test", "other", other)));
}

int64_t remainder(Runtime& runtime, const Value& value, const Value& divisor) {
  const Value rest = arithmetic(runtime, BinaryOperator::kModulo, value, divisor);
  return rest.is_integral()                            ? rest.integer()
         : rest.is(Kind::kFloat) && rest.number() == 1 ? 1
         : rest.is(Kind::kFloat) && rest.number() == 0 ? 0
                                                       : 2;
}

bool is_odd(Runtime& runtime, const Value& value) {
  return remainder(runtime, value, Value::integer(2)) == 1;
}
bool is_even(Runtime& runtime, const Value& value) {
  return remainder(runtime, value, Value::integer(2)) == 0;
}
bool is_defined(Runtime&, const Value& value) {
  return !value.is_undefined();
}
bool is_undefined(Runtime&, const Value& value) {
  return value.is_undefined();
}
bool is_none(Runtime&, const Value& value) {
  return value.is_none();
}
bool is_boolean(Runtime&, const Value& value) {
  return value.is(Kind::kBool);
}
bool is_false(Runtime&, const Value& value) {
  return value.is(Kind::kBool) && !value.boolean();
}
bool is_true_value(Runtime&, const Value& value) {
  return value.is(Kind::kBool) && value.boolean();
}
bool is_integer(Runtime&, const Value& value) {
  return value.is(Kind::kInt);
}
bool is_float(Runtime&, const Value& value) {
  return value.is(Kind::kFloat);
}
bool is_number(Runtime&, const Value& value) {
  return value.is_numeric();
}
bool is_string(Runtime&, const Value& value) {
  return value.is_string();
}
bool is_mapping(Runtime&, const Value& value) {
  return value.is(Kind::kDict);
}
bool is_iterable(Runtime& runtime, const Value& value) {
  return try_iterate(runtime, value) != nullptr;
}
bool is_escaped(Runtime&, const Value& value) {
  return value.is_markup();
}
bool is_callable(Runtime&, const Value& value) {
  return value.is_undefined() || (value.is(Kind::kObject) && value.object().is_callable());
}
bool is_sequence(Runtime& runtime, const Value& value) {
  if (value.is(Kind::kObject)) return value.object().is_subscriptable() && value.object().length(runtime);
  return length_of(runtime, value).has_value();
}

// True if the text has letters of one case and none of the other.
template <bool kUpper>
bool has_case(Runtime& runtime, const Value& value) {
  const std::string_view text = str(runtime, value);
  runtime.step_characters(text.size());
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t point = next_character(text, at);
    if (is_title(point) || (kUpper ? is_cased_lower(point) : is_cased_upper(point))) return false;
    found = found || (kUpper ? is_cased_upper(point) : is_cased_lower(point));
  }
  return found;
}

Value divisibleby(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [number] = bind("divisibleby", arguments, {"num"});
  const Value rest =
      arithmetic(runtime, BinaryOperator::kModulo, self, required("divisibleby", "num", number));
  return Value::boolean(rest.is_numeric() && rest.number() == 0);
}

Value same_as(Runtime&, Value self, const Arguments& arguments) {
  const auto [other] = bind("sameas", arguments, {"other"});
  return Value::boolean(self.same_as(required("sameas", "other", other)));
}

bool names_filter(Runtime& runtime, const Value& value) {
  hash(runtime, value);  // It is looked up in a dict.
  return value.is_string() && find_filter(value.text()) != nullptr;
}
bool names_test(Runtime& runtime, const Value& value) {
  hash(runtime, value);
  return value.is_string() && find_test(value.text()) != nullptr;
}

constexpr NativeEntry kTests[] = {
    {"!=", comparison<Comparison::kNotEqual>},
    {"<", comparison<Comparison::kLess>},
    {"<=", comparison<Comparison::kLessEqual>},
    {"==", comparison<Comparison::kEqual>},
    {">", comparison<Comparison::kGreater>},
    {">=", comparison<Comparison::kGreaterEqual>},
    {"boolean", test<is_boolean>},
    {"callable", test<is_callable>},
    {"defined", test<is_defined>},
    {"divisibleby", divisibleby},
    {"eq", comparison<Comparison::kEqual>},
    {"equalto", comparison<Comparison::kEqual>},
    {"escaped", test<is_escaped>},
    {"even", test<is_even>},
    {"false", test<is_false>},
    {"filter", test<names_filter>},
    {"float", test<is_float>},
    {"ge", comparison<Comparison::kGreaterEqual>},
    {"greaterthan", comparison<Comparison::kGreater>},
    {"gt", comparison<Comparison::kGreater>},
    {"in", comparison<Comparison::kIn>},
    {"integer", test<is_integer>},
    {"iterable", test<is_iterable>},
    {"le", comparison<Comparison::kLessEqual>},
    {"lessthan", comparison<Comparison::kLess>},
    {"lower", test<has_case<false>>},
    {"lt", comparison<Comparison::kLess>},
    {"mapping", test<is_mapping>},
    {"ne", comparison<Comparison::kNotEqual>},
    {"none", test<is_none>},
    {"number", test<is_number>},
    {"odd", test<is_odd>},
    {"sameas", same_as},
    {"sequence", test<is_sequence>},
    {"string", test<is_string>},
    {"test", test<names_test>},
    {"true", test<is_true_value>},
    {"undefined", test<is_undefined>},
    {"upper", test<has_case<true>>},
};

Native find(std::span<const NativeEntry> table, std::string_view name) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const NativeEntry& entry) { return entry.name == name; });
  return found == table.end() ? nullptr : found->function;
}

}  // namespace

Native find_test(std::string_view name) {
  return find(kTests, name);
}

Native find_filter(std::string_view name) {
  for (const auto part : {text_filters, html_filters, number_filters, sequence_filters, selection_filters,
                          order_filters, json_filters})
    if (const Native function = find(part(), name)) return function;
  return nullptr;
}

}  // namespace poro::jinja
