// Filters that make or round numbers.
#include <cfloat>
#include <charconv>
#include <cmath>

#include "text/jinja/arguments.h"
#include "text/jinja/functions.h"
#include "text/jinja/printing.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

Value abs_filter(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("abs", arguments);
  if (!defined(self).is_numeric()) fail("abs needs a number, not a value of type {}", type_name(self));
  if (self.is(Kind::kFloat)) return Value::number(std::fabs(self.number()));
  return self.integer() < 0 ? negate(self)
                            : arithmetic(runtime, BinaryOperator::kAdd, self, Value::integer(0));
}

// int(float), which drops the fraction.
Value truncated(double value) {
  if (!(std::fabs(value) < 9.2233720368547758e18))
    fail("a number of the template does not fit in a 64-bit integer");
  return Value::integer(static_cast<int64_t>(value));
}

Value int_filter(Runtime&, Value self, const Arguments& arguments) {
  const auto [otherwise, base] = bind("int", arguments, {"default", "base"});
  const int64_t radix = integer_argument("int", base, 10);
  if (self.is_integral()) return Value::integer(self.integer());
  if (defined(self).is_string()) {
    const bool is_base = radix == 0 || (radix >= 2 && radix <= 36);
    if (const auto parsed = is_base ? parse_integer(self.text(), static_cast<int>(radix)) : std::nullopt)
      return Value::integer(*parsed);
  }
  std::optional<double> number;
  if (self.is(Kind::kFloat)) number = self.number();
  if (self.is_string()) number = parse_float(self.text());
  if (!number || std::isnan(*number)) return otherwise.is_missing() ? Value::integer(0) : otherwise;
  return truncated(*number);
}

Value float_filter(Runtime&, Value self, const Arguments& arguments) {
  const auto [otherwise] = bind("float", arguments, {"default"});
  if (defined(self).is_numeric()) return Value::number(self.number());
  if (self.is_string())
    if (const auto parsed = parse_float(self.text())) return Value::number(*parsed);
  return otherwise.is_missing() ? Value::number(0) : otherwise;
}

// Python's round(): to even, decided on the exact decimal value of the double.
double round_to(double value, int64_t digits) {
  if (!std::isfinite(value) || digits > DBL_DIG + 310) return value;
  if (digits < -309) return std::copysign(0.0, value);
  if (digits >= 0) return std::strtod(fmt::format("{:.{}f}", value, digits).c_str(), nullptr);
  const double scale = std::pow(10.0, static_cast<double>(-digits));
  return std::nearbyint(value / scale) * scale;
}

Value round_integer(int64_t value, int64_t digits) {
  if (digits >= 0) return Value::integer(value);
  if (digits < -18) return Value::integer(0);
  int64_t scale = 1;
  for (int64_t i = 0; i < -digits; ++i) scale *= 10;
  int64_t quotient = value / scale;
  const int64_t rest = std::abs(value % scale), half = scale / 2;
  if (rest > half || (rest == half && quotient % 2 != 0)) quotient += value < 0 ? -1 : 1;
  return Value::integer(quotient * scale);
}

Value round_filter(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [precision, method_given] = bind("round", arguments, {"precision", "method"});
  const std::string_view method =
      method_given.is_missing() ? "common" : string_argument("round", method_given);
  if (method != "common" && method != "ceil" && method != "floor")
    fail("the method of round is common, ceil or floor");
  if (!defined(self).is_numeric()) fail("round needs a number, not a value of type {}", type_name(self));
  const int64_t digits = integer_argument("round", precision, 0);
  if (method == "common") {
    if (self.is_integral()) return round_integer(self.integer(), digits);
    return Value::number(round_to(self.number(), digits));
  }
  const Value scale = arithmetic(runtime, BinaryOperator::kPower, Value::integer(10), Value::integer(digits));
  const Value scaled = multiply(runtime, self, scale);
  const double number = scaled.number();
  const bool is_whole = scaled.is_integral() || std::fabs(number) >= 0x1p53;
  const Value whole =
      is_whole ? scaled : truncated(method == "ceil" ? std::ceil(number) : std::floor(number));
  return arithmetic(runtime, BinaryOperator::kDivide, whole, scale);
}

Value filesizeformat(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [binary] = bind("filesizeformat", arguments, {"binary"});
  std::optional<double> size;
  if (defined(self).is_numeric()) size = self.number();
  if (self.is_string()) size = parse_float(self.text());
  if (!size || !std::isfinite(*size))
    fail("filesizeformat needs a number, not a value of type {}", type_name(self));
  const bool is_binary = flag_argument(runtime, binary, false);
  const double base = is_binary ? 1024 : 1000;
  if (*size == 1) return Value::string("1 Byte");
  if (*size < base)
    return runtime.string(fmt::format("{} Bytes", static_cast<int64_t>(std::max(*size, -9.2e18))));
  long double unit = base * base;  // Exact, as Python's integers are.
  static constexpr std::string_view kLetters = "kMGTPEZY";
  for (size_t i = 0;; ++i, unit *= base) {
    if (*size >= unit && i + 1 < kLetters.size()) continue;
    const char letter = is_binary && i == 0 ? 'K' : kLetters[i];
    return runtime.string(
        fmt::format("{:.1f} {}{}B", base * *size / static_cast<double>(unit), letter, is_binary ? "i" : ""));
  }
}

constexpr NativeEntry kFilters[] = {
    {"abs", abs_filter},     {"filesizeformat", filesizeformat}, {"float", float_filter}, {"int", int_filter},
    {"round", round_filter},
};

// Digits with single underscores inside, as Python reads numbers; the underscores go. Empty if they are
// misplaced.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const auto is_digit = [&](size_t at) {
      return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) != 0;
    };
    if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) return std::nullopt;
  }
  return out;
}

// Digits of any script as ASCII; whitespace around goes.
std::string plain_digits(std::string_view text) {
  text = text.substr(skip_whitespace(text, 0));
  text = text.substr(0, text.size() - trailing_whitespace(text));
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t point = next_character(text, at);
    const int digit = point < 0x80 ? -1 : decimal_value(point);
    if (digit >= 0)
      out += static_cast<char>('0' + digit);
    else
      out += text.substr(start, at - start);
  }
  return out;
}

}  // namespace

std::span<const NativeEntry> number_filters() {
  return kFilters;
}

std::optional<double> parse_float(std::string_view given) {
  const std::optional<std::string> text = without_underscores(plain_digits(given));
  if (!text || text->empty()) return std::nullopt;
  std::string_view digits = *text;
  const bool is_negative = digits.front() == '-';
  if (digits.front() == '-' || digits.front() == '+') digits.remove_prefix(1);
  const std::string word = to_lower(digits);
  if (word == "inf" || word == "infinity") return is_negative ? -HUGE_VAL : HUGE_VAL;
  if (word == "nan") return std::nan("");
  if (digits.empty() ||
      !(std::isdigit(static_cast<unsigned char>(digits.front())) != 0 || digits.front() == '.'))
    return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (end != digits.data() + digits.size() || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc::result_out_of_range) value = std::strtod(std::string(digits).c_str(), nullptr);
  return is_negative ? -value : value;
}

std::optional<int64_t> parse_integer(std::string_view given, int base) {
  std::string text = plain_digits(given);
  bool is_negative = false;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    is_negative = text.front() == '-';
    text.erase(0, 1);
  }
  const char mark = text.size() > 1 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : ' ';
  const int marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
  const bool has_mark = marked != 0 && (base == marked || base == 0);
  if (has_mark) {
    text.erase(0, 2);
    if (!text.empty() && text.front() == '_') text.erase(0, 1);
    base = marked;
  }
  const std::optional<std::string> digits = without_underscores(text);
  if (!digits || digits->empty()) return std::nullopt;
  if (base == 0) {
    base = 10;
    if (digits->front() == '0' && digits->find_first_not_of('0') != std::string::npos) return std::nullopt;
  }
  uint64_t magnitude = 0;
  const char* end = digits->data() + digits->size();
  const auto [stop, error] = std::from_chars(digits->data(), end, magnitude, base);
  if (stop != end || error == std::errc::invalid_argument) return std::nullopt;
  if (error != std::errc() || magnitude > static_cast<uint64_t>(INT64_MAX) + (is_negative ? 1 : 0))
    fail("an integer of {} digits does not fit in 64 bits", given.size());
  return is_negative ? static_cast<int64_t>(~magnitude + 1) : static_cast<int64_t>(magnitude);
}

}  // namespace poro::jinja
