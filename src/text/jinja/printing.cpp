#include "text/jinja/printing.h"

#include <charconv>
#include <cmath>

#include "text/jinja/operations.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

// Text that grows during one printing counts as it goes, so that shared lists cannot multiply into endless
// text.
void check_growth(Runtime& runtime, const std::string& out) {
  runtime.step();
  if (out.size() > kMaxOutputBytes)
    fail("the template prints a value of more than {} MiB", kMaxOutputBytes >> 20);
}

class Printer {
 public:
  Printer(Runtime& runtime, std::string& out) : runtime_(runtime), out_(out) {}

  void print(const Value& value) {
    check_growth(runtime_, out_);
    switch (value.kind()) {
      case Kind::kMissing:
      case Kind::kUndefined:
        out_ += "Undefined";
        return;
      case Kind::kNone:
        out_ += "None";
        return;
      case Kind::kBool:
        out_ += value.boolean() ? "True" : "False";
        return;
      case Kind::kInt:
        out_ += std::to_string(value.integer());
        return;
      case Kind::kFloat:
        out_ += repr_of_float(value.number());
        return;
      case Kind::kString:
        return print_string(value);
      case Kind::kList:
        return print_items("[", value.items(), "]");
      case Kind::kTuple:
        return print_items("(", value.items(), value.items().size() == 1 ? ",)" : ")");
      case Kind::kDict:
        return print_dict(value.dict());
      case Kind::kObject: {
        const Nesting nesting(depth_in_runtime(), kMaxValueDepth, "values");
        return value.object().write(runtime_, out_);
      }
    }
  }

 private:
  int& depth_in_runtime() { return runtime_.value_depth; }

  void print_string(const Value& value) {
    runtime_.step_characters(value.text().size());
    if (value.is_markup()) out_ += "Markup(";
    append_repr_of_string(out_, value.text());
    if (value.is_markup()) out_ += ')';
  }

  void print_items(std::string_view open, std::span<const Value> items, std::string_view close) {
    const Nesting nesting(depth_in_runtime(), kMaxValueDepth, "values");
    out_ += open;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += ", ";
      print(items[i]);
    }
    out_ += close;
  }

  void print_dict(const Dict& dict) {
    const Nesting nesting(depth_in_runtime(), kMaxValueDepth, "values");
    out_ += '{';
    for (const Dict::Entry& entry : dict.entries()) {
      if (&entry != dict.entries().data()) out_ += ", ";
      print(entry.key);
      out_ += ": ";
      print(entry.value);
    }
    out_ += '}';
  }

  Runtime& runtime_;
  std::string& out_;
};

}  // namespace

// The shortest digits that read back as the same number; with an exponent below 1e-4 and from 1e16 on.
std::string repr_of_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string_view text(buffer, static_cast<size_t>(end - buffer));
  std::string out;
  if (text.front() == '-') {
    out = "-";
    text.remove_prefix(1);
  }
  const size_t mark = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + mark + (text[mark + 1] == '+' ? 2 : 1), text.data() + text.size(), exponent);
  std::string digits(text.substr(0, 1));
  if (mark > 2) digits += text.substr(2, mark - 2);
  if (exponent < -4 || exponent >= 16) {
    out += digits.substr(0, 1);
    if (digits.size() > 1) out += "." + digits.substr(1);
    return out + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() < whole) digits.append(whole - digits.size(), '0');
  return out + digits.substr(0, whole) + "." + (digits.size() > whole ? digits.substr(whole) : "0");
}

void append_repr_of_string(std::string& out, std::string_view text) {
  const char quote =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t point = next_character(text, at);
    if (point == static_cast<char32_t>(quote) || point == '\\') {
      out += '\\';
      out += static_cast<char>(point);
    } else if (point == '\n') {
      out += "\\n";
    } else if (point == '\r') {
      out += "\\r";
    } else if (point == '\t') {
      out += "\\t";
    } else if (is_printable(point)) {
      out.append(text, start, at - start);
    } else if (point < 0x100) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(point));
    } else if (point < 0x10000) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(point));
    } else {
      out += fmt::format("\\U{:08x}", static_cast<uint32_t>(point));
    }
  }
  out += quote;
}

void append_repr(Runtime& runtime, const Value& value, std::string& out) {
  Printer(runtime, out).print(value);
}

std::string repr(Runtime& runtime, const Value& value) {
  std::string out;
  append_repr(runtime, value, out);
  return out;
}

void append_str(Runtime& runtime, const Value& value, std::string& out) {
  if (value.is_string()) {
    check_growth(runtime, out);
    runtime.step_bytes(value.text().size());
    out += value.text();
  } else if (!value.is_undefined()) {
    append_repr(runtime, value, out);
  }
}

std::string_view str(Runtime& runtime, const Value& value) {
  if (value.is_string()) return value.text();
  std::string out;
  append_str(runtime, value, out);
  return runtime.copy(out);
}

void write_str(Runtime& runtime, const Value& value) {
  if (value.is_undefined()) return;
  std::string out;
  append_repr(runtime, value, out);
  runtime.write(std::string_view(out));
}

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

Value escape(Runtime& runtime, const Value& value) {
  if (value.is_markup()) return value;
  const std::string_view text = str(runtime, value);
  runtime.step_characters(text.size());
  return Value::markup(runtime.copy(escape_html(text)));
}

}  // namespace poro::jinja
