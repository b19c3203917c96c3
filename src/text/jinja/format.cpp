// "%s" % value, "{}".format(value) and the format specification both share.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "text/jinja/arguments.h"
#include "text/jinja/functions.h"
#include "text/jinja/printing.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

constexpr int kMaxPrecision = 1000;

// [[fill]align][sign][#][0][width][,][.precision][type]
struct Spec {
  std::string fill = " ";
  char align = 0, sign = '-', grouping = 0, type = 0;
  bool is_alternate = false, has_zero = false;
  int64_t width = 0;
  int precision = -1;
};

void check_width(int64_t width) {
  if (width > static_cast<int64_t>(kMaxOutputBytes)) fail("a field of {} characters is too wide", width);
}

// Digits at the start of `text`, taken off it; -1 for none.
int64_t take_number(std::string_view& text) {
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits == 0) return -1;
  int64_t value = 0;
  if (std::from_chars(text.data(), text.data() + digits, value).ec != std::errc()) value = INT64_MAX;
  text.remove_prefix(digits);
  check_width(value);
  return value;
}

Spec parse_spec(std::string_view text) {
  Spec spec;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '=' || c == '^'; };
  const auto take_if = [&](std::string_view choices, char& into) {
    if (text.empty() || choices.find(text.front()) == std::string_view::npos) return;
    into = text.front();
    text.remove_prefix(1);
  };
  if (!text.empty()) {
    const size_t first = character_bytes(text, 0);
    if (first < text.size() && is_align(text[first])) {
      spec.fill = text.substr(0, first);
      text.remove_prefix(first);
    }
  }
  take_if("<>=^", spec.align);
  take_if("+- ", spec.sign);
  char flag = 0;
  take_if("#", flag);
  spec.is_alternate = flag != 0;
  if (text.starts_with('0')) {
    spec.has_zero = true;
    if (spec.fill == " " && spec.align == 0) spec.fill = "0";
  }
  spec.width = std::max<int64_t>(0, take_number(text));
  take_if(",_", spec.grouping);
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const int64_t precision = take_number(text);
    if (precision < 0) fail("a format specification has a point without a precision");
    spec.precision = static_cast<int>(std::min<int64_t>(precision, INT32_MAX));
  }
  if (!text.empty()) {
    spec.type = text.front();
    text.remove_prefix(1);
  }
  if (!text.empty()) fail("invalid format specification");
  return spec;
}

// `sign` and `body` in a field: padding goes outside, or between them for '='.
std::string padded(std::string_view sign, std::string_view body, const Spec& spec, char default_align) {
  const char align = spec.align != 0                         ? spec.align
                     : spec.has_zero && default_align == '>' ? '='
                                                             : default_align;
  const int64_t size = static_cast<int64_t>(count_characters(body) + sign.size());
  const int64_t missing = std::max<int64_t>(0, spec.width - size);
  const int64_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  std::string out;
  if (align != '=') {
    for (int64_t i = 0; i < left; ++i) out += spec.fill;
    out += sign;
  } else {
    out += sign;
    for (int64_t i = 0; i < left; ++i) out += spec.fill;
  }
  out += body;
  for (int64_t i = left; i < missing; ++i) out += spec.fill;
  return out;
}

// Separators every three digits of the whole part, or four of other bases; leading zeros of the field are
// grouped too.
std::string grouped(std::string digits, const Spec& spec, size_t sign_size, size_t group) {
  if (spec.grouping == 0) return digits;
  const size_t whole_end = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  std::string whole = digits.substr(0, whole_end);
  const std::string rest = digits.substr(whole_end);
  const bool fills_zeros = spec.fill == "0" && (spec.align == 0 || spec.align == '=') && spec.has_zero;
  const auto grouped_size = [&](size_t count) { return count + (count - 1) / group; };
  if (fills_zeros)
    while (static_cast<int64_t>(grouped_size(whole.size()) + rest.size() + sign_size) < spec.width)
      whole.insert(0, "0");
  for (size_t at = whole.size(); at > group; at -= group) whole.insert(at - group, 1, spec.grouping);
  return whole + rest;
}

std::string_view sign_of(bool is_negative, char wanted) {
  return is_negative ? "-" : wanted == '+' ? "+" : wanted == ' ' ? " " : "";
}

std::string integer_digits(uint64_t magnitude, int base, bool is_upper) {
  char buffer[72];
  std::string digits(buffer, std::to_chars(buffer, buffer + sizeof buffer, magnitude, base).ptr);
  return is_upper ? to_upper(digits) : digits;
}

std::string format_integer(int64_t value, const Spec& spec) {
  const uint64_t magnitude = value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
  if (spec.precision >= 0) fail("an integer cannot be formatted with a precision");
  if (spec.type == 'c') {
    if (value < 0 || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
      fail("{} is no character", value);
    std::string character;
    append_character(character, static_cast<char32_t>(value));
    return padded("", character, spec, '<');
  }
  const int base = spec.type == 'x' || spec.type == 'X' ? 16
                   : spec.type == 'o'                   ? 8
                   : spec.type == 'b'                   ? 2
                                                        : 10;
  std::string sign(sign_of(value < 0, spec.sign));
  if (spec.is_alternate && base != 10) sign += std::string("0") + spec.type;
  const std::string digits = integer_digits(magnitude, base, spec.type == 'X');
  return padded(sign, grouped(digits, spec, sign.size(), base == 10 ? 3 : 4), spec, '>');
}

// The 'g' form: significant digits, exponent where it is shorter, trailing zeros dropped unless kept.
std::string general(double value, int precision, bool keeps_zeros) {
  return keeps_zeros ? fmt::format("{:#.{}g}", value, precision) : fmt::format("{:.{}g}", value, precision);
}

// The 'e' form, its trailing zeros dropped unless kept.
std::string exponential(double value, int precision, bool keeps_zeros) {
  std::string text = fmt::format("{:.{}e}", value, precision);
  const size_t exponent = text.find('e');
  const size_t last = text.find_last_not_of('0', exponent - 1);
  if (!keeps_zeros && precision > 0)
    text.erase(text[last] == '.' ? last : last + 1, exponent - (text[last] == '.' ? last : last + 1));
  return text;
}

std::string format_float(double value, const Spec& spec) {
  if (spec.precision > kMaxPrecision) fail("a precision of {} digits is too large", spec.precision);
  const bool is_upper = spec.type == 'E' || spec.type == 'F' || spec.type == 'G';
  const char type = static_cast<char>(is_upper ? spec.type | 0x20 : spec.type);
  const double magnitude = std::fabs(value);
  std::string body;
  if (!std::isfinite(value)) {
    body = std::isnan(value) ? "nan" : "inf";
  } else if (type == 0) {
    body = spec.precision < 0 ? repr_of_float(magnitude)
                              : general(magnitude, std::max(1, spec.precision), spec.is_alternate);
    // Without a type at least one digit follows the point.
    if (spec.precision >= 0 && body.find_first_of(".e") == std::string::npos) {
      if (static_cast<int>(body.size()) >= std::max(1, spec.precision))
        body = exponential(magnitude, std::max(1, spec.precision) - 1, spec.is_alternate);
      else
        body += ".0";
    }
  } else if (type == 'e') {
    body = fmt::format("{:.{}e}", magnitude, spec.precision < 0 ? 6 : spec.precision);
  } else if (type == 'f') {
    body = fmt::format("{:.{}f}", magnitude, spec.precision < 0 ? 6 : spec.precision);
  } else if (type == 'g' || type == 'n') {
    body = general(magnitude, spec.precision < 0 ? 6 : std::max(1, spec.precision), spec.is_alternate);
  } else {
    body = fmt::format("{:.{}f}%", magnitude * 100, spec.precision < 0 ? 6 : spec.precision);
  }
  if (is_upper) body = to_upper(body);
  const std::string_view sign = sign_of(std::signbit(value) && !std::isnan(value), spec.sign);
  return padded(sign, grouped(body, spec, sign.size(), 3), spec, '>');
}

std::string format_string(std::string_view text, const Spec& spec) {
  if (spec.align == '=' || spec.sign != '-' || spec.is_alternate || spec.grouping != 0)
    fail("a string cannot be formatted with signs, # or separators");
  if (spec.precision >= 0) text = text.substr(0, byte_offset(text, static_cast<size_t>(spec.precision)));
  return padded("", text, spec, '<');
}

// Python's ascii(): repr without characters beyond ASCII.
std::string ascii(Runtime& runtime, const Value& value) {
  const std::string text = repr(runtime, value);
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const char32_t point = next_character(text, at);
    if (point < 0x80)
      out += static_cast<char>(point);
    else
      out += point < 0x100     ? fmt::format("\\x{:02x}", static_cast<uint32_t>(point))
             : point < 0x10000 ? fmt::format("\\u{:04x}", static_cast<uint32_t>(point))
                               : fmt::format("\\U{:08x}", static_cast<uint32_t>(point));
  }
  return out;
}

// ---- "%s" % value

class PercentFormatter {
 public:
  PercentFormatter(Runtime& runtime, const Value& format, const Value& arguments)
      : runtime_(runtime), format_(format), text_(format.text()), arguments_(arguments) {
    if (arguments.is(Kind::kTuple))
      values_ = arguments.items();
    else
      values_ = {&arguments_, 1};
  }

  std::string run() {
    while (!text_.empty()) {
      runtime_.step();
      const size_t mark = std::min(text_.find('%'), text_.size());
      append(text_.substr(0, mark));
      text_.remove_prefix(mark);
      if (!text_.empty()) conversion();
    }
    // A single value may be left over where it could be looked into by name.
    const bool may_be_left = has_names_ || arguments_.is(Kind::kDict) || arguments_.is(Kind::kList) ||
                             arguments_.is_undefined() || arguments_.is(Kind::kObject);
    if (next_ < values_.size() && !may_be_left) fail("not all values were used by the format");
    return std::move(out_);
  }

 private:
  void append(std::string_view part) {
    runtime_.step_bytes(part.size());
    if (out_.size() + part.size() > kMaxOutputBytes)
      fail("the format gives more than {} MiB", kMaxOutputBytes >> 20);
    out_ += part;
  }

  const Value& next_value() {
    if (next_ >= values_.size()) fail("there are too few values for the format");
    return values_[next_++];
  }

  int64_t star_or_number() {
    if (!text_.starts_with('*')) return take_number(text_);
    text_.remove_prefix(1);
    const int64_t number = integer_argument("* in a format", next_value());
    check_width(std::abs(number));
    return number;
  }

  void conversion() {
    text_.remove_prefix(1);
    Value value;
    if (text_.starts_with('(')) {
      size_t close = 0;
      for (int depth = 0; close < text_.size(); ++close) {
        depth += text_[close] == '(' ? 1 : text_[close] == ')' ? -1 : 0;
        if (depth == 0) break;
      }
      if (close == text_.size()) fail("a name in the format is not closed");
      if (!arguments_.is(Kind::kDict)) fail("a format with names needs a dict");
      const std::string_view name = text_.substr(1, close - 1);
      const Value* found = arguments_.dict().find(runtime_, name);
      if (found == nullptr) fail("the format names \"{}\", which is not given", name);
      value = *found;
      has_names_ = true;
      text_.remove_prefix(close + 1);
    }
    Spec spec;
    bool is_left = false;
    for (; !text_.empty() && std::string_view("#0- +").find(text_.front()) != std::string_view::npos;
         text_.remove_prefix(1)) {
      if (text_.front() == '#') spec.is_alternate = true;
      if (text_.front() == '0') spec.has_zero = true;
      if (text_.front() == '-') is_left = true;
      if (text_.front() == '+' || (text_.front() == ' ' && spec.sign != '+')) spec.sign = text_.front();
    }
    spec.width = star_or_number();
    if (spec.width < 0 && spec.width != -1) is_left = true;
    spec.width = std::max<int64_t>(0, spec.width == -1 ? 0 : std::abs(spec.width));
    if (text_.starts_with('.')) {
      text_.remove_prefix(1);
      spec.precision = static_cast<int>(std::clamp<int64_t>(star_or_number(), 0, INT32_MAX));
    }
    if (!text_.empty() && std::string_view("hlL").find(text_.front()) != std::string_view::npos)
      text_.remove_prefix(1);
    if (text_.empty()) fail("the format ends inside a conversion");
    const char type = text_.front();
    text_.remove_prefix(1);
    if (type == '%') return append("%");
    if (value.is_missing()) value = next_value();
    spec.align = is_left ? '<' : '>';
    append(convert(value, type, spec));
  }

  std::string convert(const Value& value, char type, Spec& spec) {
    switch (type) {
      case 's':
      case 'r':
      case 'a':
        return text(value, type, spec);
      case 'c':
        if (value.is_string()) {
          if (count_characters(value.text()) != 1) fail("%c needs one character");
          return padded("", value.text(), spec, '>');
        }
        spec.type = 'c';
        spec.precision = -1;
        return format_integer(integer_argument("%c", value), spec);
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o':
        return integer(value, type, spec);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        if (!defined(value).is_numeric())
          fail("%{} needs a number, not a value of type {}", type, type_name(value));
        spec.type = type;
        if (spec.precision < 0) spec.precision = 6;
        fill_with_zeros(spec, std::isfinite(value.number()));
        return format_float(value.number(), spec);
      default:
        fail("the format has an unknown conversion %{}", type);
    }
  }

  static void fill_with_zeros(Spec& spec, bool may_fill) {
    if (!spec.has_zero || spec.align == '<' || !may_fill) return;
    spec.fill = "0";
    spec.align = '=';
  }

  std::string text(const Value& value, char type, const Spec& spec) {
    const Value shown = type == 'r'           ? runtime_.string(repr(runtime_, value))
                        : type == 'a'         ? runtime_.string(ascii(runtime_, value))
                        : format_.is_markup() ? escape(runtime_, value)
                                              : Value::string(str(runtime_, value));
    std::string_view part = format_.is_markup() ? escape(runtime_, shown).text() : shown.text();
    if (spec.precision >= 0) part = part.substr(0, byte_offset(part, static_cast<size_t>(spec.precision)));
    return padded("", part, spec, '>');
  }

  static std::string integer(const Value& value, char type, Spec& spec) {
    int64_t number = 0;
    if (defined(value).is(Kind::kFloat) && type != 'x' && type != 'X' && type != 'o') {
      if (!(std::fabs(value.number()) < 9.2e18)) fail("%{} needs an integer", type);
      number = static_cast<int64_t>(value.number());
    } else {
      number = integer_argument("this conversion of a format", value);
    }
    const bool is_hex = type == 'x' || type == 'X';
    const uint64_t magnitude =
        number < 0 ? ~static_cast<uint64_t>(number) + 1 : static_cast<uint64_t>(number);
    std::string digits = integer_digits(magnitude, is_hex ? 16 : type == 'o' ? 8 : 10, type == 'X');
    if (spec.precision > kMaxPrecision) fail("a precision of {} digits is too large", spec.precision);
    if (spec.precision > static_cast<int>(digits.size()))
      digits.insert(0, static_cast<size_t>(spec.precision) - digits.size(), '0');
    std::string sign(sign_of(number < 0, spec.sign));
    if (spec.is_alternate && (is_hex || type == 'o')) sign += std::string("0") + type;
    fill_with_zeros(spec, true);
    return padded(sign, digits, spec, '>');
  }

  Runtime& runtime_;
  Value format_;
  std::string_view text_;
  Value arguments_;
  std::span<const Value> values_;
  size_t next_ = 0;
  bool has_names_ = false;
  std::string out_;
};

// ---- "{}".format(value)

class BraceFormatter {
 public:
  BraceFormatter(Runtime& runtime, const Arguments& arguments) : runtime_(runtime), arguments_(arguments) {}

  std::string run(std::string_view text, int depth = 0) {
    if (depth > 2) fail("a format nests fields more than 2 deep");
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const char c = text[at];
      if ((c == '{' || c == '}') && at + 1 < text.size() && text[at + 1] == c) {
        out += c;
        at += 2;
      } else if (c == '}') {
        fail("a format has a single }}");
      } else if (c == '{') {
        const size_t end = field_end(text, at + 1);
        out += field(text.substr(at + 1, end - at - 1), depth);
        at = end + 1;
      } else {
        out += c;
        ++at;
      }
      runtime_.step();
      if (out.size() > kMaxOutputBytes) fail("the format gives more than {} MiB", kMaxOutputBytes >> 20);
    }
    return out;
  }

 private:
  static size_t field_end(std::string_view text, size_t at) {
    int depth = 1;
    for (; at < text.size(); ++at) {
      depth += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
      if (depth == 0) return at;
    }
    fail("a field of a format is not closed");
  }

  std::string field(std::string_view text, int depth) {
    size_t end = 0;
    for (int brackets = 0; end < text.size(); ++end) {
      brackets += text[end] == '[' ? 1 : text[end] == ']' ? -1 : 0;
      if (brackets == 0 && (text[end] == '!' || text[end] == ':')) break;
    }
    Value value = lookup(text.substr(0, end));
    std::string_view rest = text.substr(end);
    if (rest.starts_with('!')) {
      if (rest.size() < 2 || (rest.size() > 2 && rest[2] != ':'))
        fail("a format has a ! without a conversion");
      if (rest[1] == 'r')
        value = runtime_.string(repr(runtime_, value));
      else if (rest[1] == 'a')
        value = runtime_.string(ascii(runtime_, value));
      else if (rest[1] == 's')
        value = Value::string(str(runtime_, value));
      else
        fail("a format has an unknown conversion !{}", rest[1]);
      rest.remove_prefix(2);
    }
    if (!rest.empty()) rest.remove_prefix(1);
    return format_spec(runtime_, value, run(rest, depth + 1));
  }

  Value lookup(std::string_view name) {
    const size_t end = std::min(name.find_first_of(".["), name.size());
    Value value = argument(name.substr(0, end));
    name.remove_prefix(end);
    while (!name.empty()) {
      if (name.front() == '.') {
        name.remove_prefix(1);
        const size_t stop = std::min(name.find_first_of(".["), name.size());
        if (stop == 0) fail("a field of a format names an empty attribute");
        value = get_attribute(runtime_, value, name.substr(0, stop));
        name.remove_prefix(stop);
      } else if (name.front() == '[') {
        const size_t close = name.find(']');
        if (close == std::string_view::npos || close == 1)
          fail("a field of a format has an empty or open index");
        const std::string_view key = name.substr(1, close - 1);
        const bool is_index =
            std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
        value = get_item(runtime_, value,
                         is_index ? Value::integer(parse_integer(key, 10).value_or(0)) : Value::string(key));
        name.remove_prefix(close + 1);
      } else {
        fail("a field of a format goes on behind its index");
      }
    }
    return value;
  }

  Value argument(std::string_view name) {
    const bool is_number = std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (is_number) {
      const bool is_automatic = name.empty();
      if (numbering_ != Numbering::kUnknown && (numbering_ == Numbering::kAutomatic) != is_automatic)
        fail("a format mixes numbered fields and fields without number");
      numbering_ = is_automatic ? Numbering::kAutomatic : Numbering::kManual;
      const int64_t index = is_automatic ? next_++ : parse_integer(name, 10).value_or(INT64_MAX);
      if (index >= static_cast<int64_t>(arguments_.positional.size()))
        fail("there are too few values for the format");
      return arguments_.positional[static_cast<size_t>(index)];
    }
    for (const Named& named : arguments_.named)
      if (named.name == name) return named.value;
    fail("the format names \"{}\", which is not given", name);
  }

  enum class Numbering : uint8_t { kUnknown, kAutomatic, kManual };
  Runtime& runtime_;
  Arguments arguments_;
  Numbering numbering_ = Numbering::kUnknown;
  int64_t next_ = 0;
};

}  // namespace

Value format_percent(Runtime& runtime, const Value& format, const Value& arguments) {
  return like(format, runtime.copy(PercentFormatter(runtime, format, arguments).run()));
}

Value format_braces(Runtime& runtime, const Value& format, const Arguments& arguments) {
  return like(format, runtime.copy(BraceFormatter(runtime, arguments).run(format.text())));
}

std::string format_spec(Runtime& runtime, const Value& value, std::string_view text) {
  if (text.empty()) return std::string(str(runtime, value));
  const Spec spec = parse_spec(text);
  runtime.step_bytes(static_cast<size_t>(spec.width));
  const auto is_one_of = [&](std::string_view types) {
    return spec.type == 0 || types.find(spec.type) != std::string_view::npos;
  };
  if (value.is_string() && is_one_of("s")) return format_string(value.text(), spec);
  if (value.is_integral() && is_one_of("bcdoxXn")) {
    return format_integer(value.integer(), spec);
  }
  if (value.is_numeric() && is_one_of("eEfFgGn%")) return format_float(value.number(), spec);
  fail("a value of type {} cannot be formatted with \"{}\"", type_name(value), text);
}

}  // namespace poro::jinja
