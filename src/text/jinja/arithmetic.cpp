// Python's numbers: integers that do not wrap (here an error beyond 64 bits), floor division and its
// remainder, true division.
#include <cmath>
#include <string>

#include "text/jinja/functions.h"
#include "text/jinja/operations.h"
#include "text/jinja/printing.h"

namespace poro::jinja {
namespace {

std::string_view symbol(BinaryOperator op) {
  switch (op) {
    case BinaryOperator::kAdd:
      return "+";
    case BinaryOperator::kSubtract:
      return "-";
    case BinaryOperator::kMultiply:
      return "*";
    case BinaryOperator::kDivide:
      return "/";
    case BinaryOperator::kFloorDivide:
      return "//";
    case BinaryOperator::kModulo:
      return "%";
    case BinaryOperator::kPower:
      return "**";
    case BinaryOperator::kAnd:
      return "and";
    case BinaryOperator::kOr:
      return "or";
  }
  return "?";
}

[[noreturn]] void refuse(BinaryOperator op, const Value& left, const Value& right) {
  defined(left);
  defined(right);
  fail("cannot apply {} to values of type {} and {}", symbol(op), type_name(left), type_name(right));
}

[[noreturn]] void overflow() {
  fail("an integer of the template does not fit in 64 bits");
}

double float_modulo(double left, double right) {
  double remainder = std::fmod(left, right);
  if (remainder != 0 && (remainder < 0) != (right < 0)) remainder += right;
  if (remainder == 0) remainder = std::copysign(0.0, right);
  return remainder;
}

double float_floor_divide(double left, double right) {
  const double remainder = std::fmod(left, right);
  double quotient = (left - remainder) / right;
  if (remainder != 0 && (remainder < 0) != (right < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(0.0, left / right);
  const double floored = std::floor(quotient);
  return quotient - floored > 0.5 ? floored + 1 : floored;
}

Value integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) fail("0 cannot be raised to a negative power");
    return Value::number(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) overflow();
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) overflow();
  }
  return Value::integer(result);
}

Value integers(BinaryOperator op, int64_t left, int64_t right) {
  int64_t result = 0;
  switch (op) {
    case BinaryOperator::kAdd:
      if (__builtin_add_overflow(left, right, &result)) overflow();
      return Value::integer(result);
    case BinaryOperator::kSubtract:
      if (__builtin_sub_overflow(left, right, &result)) overflow();
      return Value::integer(result);
    case BinaryOperator::kMultiply:
      if (__builtin_mul_overflow(left, right, &result)) overflow();
      return Value::integer(result);
    case BinaryOperator::kPower:
      return integer_power(left, right);
    default:
      break;
  }
  if (right == 0) fail("division by zero");
  // Through long double, which holds every 64-bit integer: the quotient is rounded once, as Python rounds it.
  if (op == BinaryOperator::kDivide)
    return Value::number(
        static_cast<double>(static_cast<long double>(left) / static_cast<long double>(right)));
  if (right == -1) {
    if (op == BinaryOperator::kModulo) return Value::integer(0);
    if (__builtin_sub_overflow(int64_t{0}, left, &result)) overflow();
    return Value::integer(result);
  }
  const int64_t remainder = left % right;
  const bool is_off = remainder != 0 && (remainder < 0) != (right < 0);
  if (op == BinaryOperator::kModulo) return Value::integer(is_off ? remainder + right : remainder);
  return Value::integer(left / right - (is_off ? 1 : 0));
}

Value floats(BinaryOperator op, double left, double right) {
  switch (op) {
    case BinaryOperator::kAdd:
      return Value::number(left + right);
    case BinaryOperator::kSubtract:
      return Value::number(left - right);
    case BinaryOperator::kMultiply:
      return Value::number(left * right);
    case BinaryOperator::kPower: {
      if (left == 0 && right < 0) fail("0 cannot be raised to a negative power");
      const double result = std::pow(left, right);
      if (std::isnan(result) && !std::isnan(left) && !std::isnan(right))
        fail("complex numbers are not supported");
      if (std::isinf(result) && !std::isinf(left) && !std::isinf(right))
        fail("the result of ** is too large");
      return Value::number(result);
    }
    default:
      break;
  }
  if (right == 0) fail("division by zero");
  if (op == BinaryOperator::kDivide) return Value::number(left / right);
  return Value::number(op == BinaryOperator::kModulo ? float_modulo(left, right)
                                                     : float_floor_divide(left, right));
}

// The size of `size` units repeated `count` times; throws where that exceeds what a template may hold.
size_t repeated_size(size_t size, int64_t count) {
  size_t result = 0;
  if (count <= 0) return 0;
  if (__builtin_mul_overflow(size, static_cast<size_t>(count), &result) || result > kMaxBytes)
    fail("the template makes more than {} MiB of values", kMaxBytes >> 20);
  return result;
}

Value repeat(Runtime& runtime, const Value& value, int64_t count) {
  if (value.is_string()) {
    std::string text;
    text.reserve(repeated_size(value.text().size(), count));
    if (!value.text().empty())
      for (int64_t i = 0; i < count; ++i) text += value.text();
    return like(value, runtime.copy(text));
  }
  const std::span<const Value> items = value.items();
  const std::span<Value> result =
      runtime.values(repeated_size(items.size() * sizeof(Value), count) / sizeof(Value));
  runtime.step(result.size());
  for (size_t i = 0; i < result.size(); ++i) result[i] = items[i % items.size()];
  return value.is(Kind::kList) ? Value::list(result) : Value::tuple(result);
}

}  // namespace

Value add(Runtime& runtime, const Value& left, const Value& right) {
  if (left.is_string() && right.is_string()) {
    // A plain string and markup: the plain one is escaped.
    const bool is_markup = left.is_markup() || right.is_markup();
    const std::string_view first = is_markup ? escape(runtime, left).text() : left.text();
    const std::string_view second = is_markup ? escape(runtime, right).text() : right.text();
    runtime.step_bytes(first.size() + second.size());
    char* bytes = static_cast<char*>(runtime.arena().allocate(first.size() + second.size()));
    std::copy(first.begin(), first.end(), bytes);
    std::copy(second.begin(), second.end(), bytes + first.size());
    const std::string_view whole(bytes, first.size() + second.size());
    const Value result = is_markup ? Value::markup(whole) : Value::string(whole);
    runtime.carry_spans(result, left, 0);
    runtime.carry_spans(result, right, first.size());
    return result;
  }
  if (left.is_sequence() && left.kind() == right.kind()) {
    const std::span<Value> items = runtime.values(left.items().size() + right.items().size());
    runtime.step(items.size());
    const auto middle = std::copy(left.items().begin(), left.items().end(), items.begin());
    std::copy(right.items().begin(), right.items().end(), middle);
    return left.is(Kind::kList) ? Value::list(items) : Value::tuple(items);
  }
  return arithmetic(runtime, BinaryOperator::kAdd, left, right);
}

Value multiply(Runtime& runtime, const Value& left, const Value& right) {
  if ((left.is_string() || left.is_sequence()) && right.is_integral())
    return repeat(runtime, left, right.integer());
  if ((right.is_string() || right.is_sequence()) && left.is_integral())
    return repeat(runtime, right, left.integer());
  return arithmetic(runtime, BinaryOperator::kMultiply, left, right);
}

Value arithmetic(Runtime& runtime, BinaryOperator op, const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral()) return integers(op, left.integer(), right.integer());
  if (left.is_numeric() && right.is_numeric()) return floats(op, left.number(), right.number());
  if (op == BinaryOperator::kModulo && left.is_string()) return format_percent(runtime, left, right);
  refuse(op, left, right);
}

Value negate(const Value& value) {
  if (value.is(Kind::kFloat)) return Value::number(-value.number());
  if (!defined(value).is_integral()) fail("cannot apply - to a value of type {}", type_name(value));
  return integers(BinaryOperator::kSubtract, 0, value.integer());
}

}  // namespace poro::jinja
