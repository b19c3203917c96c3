// tojson, as transformers defines it for chat templates: Python's json.dumps with ensure_ascii off and no
// escaping for HTML.
#include <algorithm>
#include <cmath>
#include <vector>

#include "text/jinja/arguments.h"
#include "text/jinja/functions.h"
#include "text/jinja/printing.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

struct JsonStyle {
  bool is_ascii = false, is_indented = false, is_sorted = false;
  std::string indent;
  std::string_view item_separator = ", ", key_separator = ": ";
};

class JsonWriter {
 public:
  JsonWriter(Runtime& runtime, JsonStyle style) : runtime_(runtime), style_(std::move(style)) {}

  std::string write(const Value& value) {
    write(value, 0);
    return std::move(out_);
  }

 private:
  void write(const Value& value, int depth) {
    runtime_.step();
    if (out_.size() > kMaxOutputBytes) fail("tojson gives more than {} MiB", kMaxOutputBytes >> 20);
    if (depth > kMaxValueDepth) fail("tojson needs more than {} levels", kMaxValueDepth);
    switch (value.kind()) {
      case Kind::kNone:
        out_ += "null";
        return;
      case Kind::kBool:
        out_ += value.boolean() ? "true" : "false";
        return;
      case Kind::kInt:
        out_ += std::to_string(value.integer());
        return;
      case Kind::kFloat:
        out_ += number(value.number());
        return;
      case Kind::kString:
        return write_string(value.text());
      case Kind::kList:
      case Kind::kTuple:
        return write_list(value.items(), depth);
      case Kind::kDict:
        return write_dict(value.dict(), depth);
      default:
        fail("a value of type {} cannot be written as JSON", type_name(value));
    }
  }

  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return repr_of_float(value);
  }

  void write_string(std::string_view text) {
    runtime_.step_characters(text.size());
    out_ += '"';
    for (size_t at = 0; at < text.size();) {
      const size_t start = at;
      const char32_t point = next_character(text, at);
      switch (point) {
        case '"':
          out_ += "\\\"";
          continue;
        case '\\':
          out_ += "\\\\";
          continue;
        case '\n':
          out_ += "\\n";
          continue;
        case '\r':
          out_ += "\\r";
          continue;
        case '\t':
          out_ += "\\t";
          continue;
        case '\f':
          out_ += "\\f";
          continue;
        case '\b':
          out_ += "\\b";
          continue;
        default:
          break;
      }
      if (point < 0x20 || (style_.is_ascii && point >= 0x7f && point < 0x10000)) {
        out_ += fmt::format("\\u{:04x}", static_cast<uint32_t>(point));
      } else if (style_.is_ascii && point >= 0x10000) {
        const uint32_t rest = static_cast<uint32_t>(point) - 0x10000;
        out_ += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
      } else {
        out_.append(text, start, at - start);
      }
    }
    out_ += '"';
  }

  void new_line(int depth) {
    if (!style_.is_indented) return;
    out_ += '\n';
    for (int i = 0; i < depth; ++i) out_ += style_.indent;
  }

  void write_list(std::span<const Value> items, int depth) {
    out_ += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line(depth + 1);
      write(items[i], depth + 1);
    }
    if (!items.empty()) new_line(depth);
    out_ += ']';
  }

  void write_key(const Value& key) {
    switch (key.kind()) {
      case Kind::kString:
        return write_string(key.text());
      case Kind::kNone:
        return write_string("null");
      case Kind::kBool:
        return write_string(key.boolean() ? "true" : "false");
      case Kind::kInt:
        return write_string(std::to_string(key.integer()));
      case Kind::kFloat:
        return write_string(number(key.number()));
      default:
        fail("a key of type {} cannot be written as JSON", type_name(key));
    }
  }

  void write_dict(const Dict& dict, int depth) {
    std::vector<Dict::Entry> entries(dict.entries().begin(), dict.entries().end());
    if (style_.is_sorted)
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto& a, const auto& b) { return less(runtime_, a.key, b.key); });
    out_ += '{';
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line(depth + 1);
      write_key(entries[i].key);
      out_ += style_.key_separator;
      write(entries[i].value, depth + 1);
    }
    if (!entries.empty()) new_line(depth);
    out_ += '}';
  }

  Runtime& runtime_;
  JsonStyle style_;
  std::string out_;
};

Value tojson(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [ensure_ascii, indent, separators, sort_keys] =
      bind("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.is_ascii = flag_argument(runtime, ensure_ascii, false);
  style.is_sorted = flag_argument(runtime, sort_keys, false);
  if (!indent.is_missing() && !indent.is_none()) {
    style.is_indented = true;
    style.item_separator = ",";
    if (indent.is_string()) {
      style.indent = indent.text();
    } else {
      const int64_t width = std::max<int64_t>(0, integer_argument("tojson", indent));
      if (width > 1000) fail("tojson cannot indent by {}", width);
      style.indent.assign(static_cast<size_t>(width), ' ');
    }
  }
  if (!separators.is_missing() && !separators.is_none()) {
    const std::span<const Value> pair = collect(runtime, separators);
    if (pair.size() != 2) fail("the separators of tojson are two strings");
    style.item_separator = string_argument("tojson", pair[0]);
    style.key_separator = string_argument("tojson", pair[1]);
  }
  return runtime.string(JsonWriter(runtime, std::move(style)).write(self));
}

constexpr NativeEntry kFilters[] = {{"tojson", tojson}};

}  // namespace

std::span<const NativeEntry> json_filters() {
  return kFilters;
}

}  // namespace poro::jinja
