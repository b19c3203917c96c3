// Filters on text.
#include <algorithm>
#include <vector>

#include "text/jinja/arguments.h"
#include "text/jinja/functions.h"
#include "text/jinja/printing.h"
#include "text/jinja/unicode.h"
#include "text/jinja/wrapping.h"

namespace poro::jinja {
namespace {

// soft_str: markup stays markup, everything else becomes a string.
Value soft_string(Runtime& runtime, const Value& value) {
  return value.is_string() ? value : Value::string(str(runtime, value));
}

template <std::string (*kMap)(std::string_view)>
Value mapped(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("this filter", arguments);
  const Value text = soft_string(runtime, self);
  runtime.step_characters(text.text().size());
  return like(text, runtime.copy(kMap(text.text())));
}

bool is_word_separator(char32_t point) {
  return point == '-' || point == '(' || point == '{' || point == '[' || point == '<' || is_space(point);
}

// The title filter capitalises after spaces, hyphens and opening brackets, unlike str.title().
std::string titled(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    const bool is_separator = is_word_separator(next_character(text, end));
    const size_t first_end = end;
    for (size_t next = end; next < text.size(); end = next)
      if (is_word_separator(next_character(text, next)) != is_separator) break;
    out += to_upper(text.substr(at, first_end - at)) + to_lower(text.substr(first_end, end - first_end));
    at = end;
  }
  return out;
}

Value string_filter(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("string", arguments);
  return soft_string(runtime, self);
}

Value trim(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [characters] = bind("trim", arguments, {"chars"});
  const Value text = soft_string(runtime, self);
  runtime.step_bytes(text.text().size());
  return like(text, strip_text(text.text(), characters, true, true));
}

Value center(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [width] = bind("center", arguments, {"width"});
  return center_text(runtime, soft_string(runtime, self), integer_argument("center", width, 80));
}

Value replace(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [from, to, count] = bind("replace", arguments, {"old", "new", "count"});
  const std::string_view old_text = str(runtime, required("replace", "old", from));
  const std::string_view new_text = str(runtime, required("replace", "new", to));
  const int64_t limit = count.is_none() ? -1 : integer_argument("replace", count, -1);
  return replace_text(runtime, str(runtime, self), old_text, new_text, limit);
}

Value indent(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [width, first, blank] = bind("indent", arguments, {"width", "first", "blank"});
  string_argument("indent", self);
  std::string indentation;
  if (width.is_string()) {
    indentation = width.text();
  } else {
    indentation = str(
        runtime, multiply(runtime, Value::string(" "), Value::integer(integer_argument("indent", width, 4))));
  }
  const bool indents_blank = flag_argument(runtime, blank, false);
  const Value lines =
      split_lines(runtime, Value::string(runtime.copy(std::string(self.text()) + "\n")), false);
  std::string out;
  bool is_first = true;
  for (const Value& line : lines.items()) {
    runtime.step_bytes(indentation.size() + line.text().size());
    if (!is_first) out += '\n';
    if (is_first ? flag_argument(runtime, first, false) : indents_blank || !line.text().empty())
      out += indentation;
    out += line.text();
    is_first = false;
    if (out.size() > kMaxBytes) fail("indent makes more than {} MiB", kMaxBytes >> 20);
  }
  return like(self, runtime.copy(out));
}

Value truncate(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [length_given, killwords, end_given, leeway_given] =
      bind("truncate", arguments, {"length", "killwords", "end", "leeway"});
  const int64_t limit = integer_argument("truncate", length_given, 255);
  const std::string_view end = end_given.is_missing() ? "..." : string_argument("truncate", end_given);
  const int64_t leeway = leeway_given.is_none() ? 5 : integer_argument("truncate", leeway_given, 5);
  const int64_t end_length = static_cast<int64_t>(count_characters(end));
  if (limit < end_length || leeway < 0)
    fail("truncate needs a length of at least {} and a leeway of at least 0", end_length);
  const int64_t size = length(runtime, self);
  if (size <= limit + leeway) return self;
  string_argument("truncate", self);
  std::string_view kept =
      self.text().substr(0, byte_offset(self.text(), static_cast<size_t>(limit - end_length)));
  if (!flag_argument(runtime, killwords, false)) kept = kept.substr(0, kept.rfind(' '));
  return add(runtime, like(self, kept), Value::string(end));
}

Value wordcount(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("wordcount", arguments);
  const std::string_view text = str(runtime, self);
  runtime.step_characters(text.size());
  int64_t count = 0;
  bool is_inside = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t point = next_character(text, at);
    const bool is_word = point == '_' || is_alphanumeric(point);
    if (is_word && !is_inside) ++count;
    is_inside = is_word;
  }
  return Value::integer(count);
}

Value wordwrap(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [width, break_long, separator, break_hyphens] =
      bind("wordwrap", arguments, {"width", "break_long_words", "wrapstring", "break_on_hyphens"});
  string_argument("wordwrap", self);
  const WrapStyle style{.width = integer_argument("wordwrap", width, 79),
                        .breaks_long_words = flag_argument(runtime, break_long, true),
                        .breaks_on_hyphens = flag_argument(runtime, break_hyphens, true)};
  const std::string_view joint =
      separator.is_missing() || separator.is_none() ? "\n" : string_argument("wordwrap", separator);
  std::string out;
  bool is_first_line = true;
  for (const Value& line : split_lines(runtime, self, false).items()) {
    runtime.step_characters(line.text().size() * 2);
    if (!std::exchange(is_first_line, false)) out += joint;
    const std::vector<std::string> wrapped = wrap_line(line.text(), style);
    for (size_t i = 0; i < wrapped.size(); ++i) {
      if (i > 0) out += joint;
      out += wrapped[i];
      if (out.size() > kMaxOutputBytes) fail("wordwrap makes more than {} MiB", kMaxOutputBytes >> 20);
    }
  }
  return runtime.string(out);
}

Value format(Runtime& runtime, Value self, const Arguments& arguments) {
  const Value text = soft_string(runtime, self);
  if (arguments.named.empty()) return format_percent(runtime, text, Value::tuple(arguments.positional));
  if (!arguments.positional.empty()) fail("format takes positional or named arguments, not both");
  Dict* named = runtime.dict();
  for (const Named& argument : arguments.named)
    named->set(runtime, Value::string(argument.name), argument.value);
  return format_percent(runtime, text, Value::dict(named));
}

Value pprint(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("pprint", arguments);
  return runtime.string(pretty_print(runtime, self));
}

constexpr NativeEntry kFilters[] = {
    {"capitalize", mapped<to_capitalized>},
    {"center", center},
    {"format", format},
    {"indent", indent},
    {"lower", mapped<to_lower>},
    {"pprint", pprint},
    {"replace", replace},
    {"string", string_filter},
    {"title", mapped<titled>},
    {"trim", trim},
    {"truncate", truncate},
    {"upper", mapped<to_upper>},
    {"wordcount", wordcount},
    {"wordwrap", wordwrap},
};

}  // namespace

std::span<const NativeEntry> text_filters() {
  return kFilters;
}

}  // namespace poro::jinja
