// What filters and string methods share: splitting, joining, stripping, replacing.
#include <algorithm>

#include "text/jinja/arguments.h"
#include "text/jinja/functions.h"
#include "text/jinja/printing.h"
#include "text/jinja/search.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {

Value like(const Value& like, std::string_view text) {
  return like.is_markup() ? Value::markup(text) : Value::string(text);
}

Value split_whitespace(Runtime& runtime, std::string_view text, int64_t max_splits) {
  runtime.step_characters(text.size());
  std::vector<Value> parts;
  size_t at = skip_whitespace(text, 0);
  while (at < text.size()) {
    if (max_splits >= 0 && static_cast<int64_t>(parts.size()) == max_splits) {
      parts.push_back(Value::string(text.substr(at)));
      break;
    }
    size_t end = at;
    for (size_t next = at; end < text.size(); end = next)
      if (is_space(next_character(text, next))) break;
    parts.push_back(Value::string(text.substr(at, end - at)));
    at = skip_whitespace(text, end);
  }
  return runtime.list(parts);
}

Value split_lines(Runtime& runtime, const Value& value, bool keep_ends) {
  const std::string_view text = value.text();
  runtime.step_characters(text.size());
  std::vector<Value> lines;
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = at;
    const char32_t point = next_character(text, at);
    const bool is_end = (point >= 10 && point <= 13) || (point >= 28 && point <= 30) || point == 0x85 ||
                        point == 0x2028 || point == 0x2029;
    if (!is_end) continue;
    if (point == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(like(value, text.substr(start, (keep_ends ? at : end) - start)));
    start = at;
  }
  if (start < text.size()) lines.push_back(like(value, text.substr(start)));
  return runtime.list(lines);
}

Value replace_text(Runtime& runtime, std::string_view text, std::string_view from, std::string_view to,
                   int64_t count) {
  runtime.step_bytes(text.size());
  std::string out;
  int64_t left = count < 0 ? INT64_MAX : count;
  size_t at = 0;
  const auto append = [&](std::string_view part) {
    if (out.size() + part.size() > kMaxBytes) fail("replace makes more than {} MiB", kMaxBytes >> 20);
    out += part;
  };
  if (from.empty()) {
    // Before every character and at the end.
    for (; left > 0; --left) {
      runtime.step();
      append(to);
      if (at == text.size()) return runtime.string(out);
      const size_t start = at;
      next_character(text, at);
      append(text.substr(start, at - start));
    }
  } else {
    for (; left > 0; --left) {
      const size_t found = find_text(text, from, at);
      if (found == std::string_view::npos) break;
      runtime.step();
      append(text.substr(at, found - at));
      append(to);
      at = found + from.size();
    }
  }
  if (at == 0) return Value::string(text);
  append(text.substr(at));
  return runtime.string(out);
}

Value join_texts(Runtime& runtime, const Value& separator, const Value& items) {
  Iterator* iterator = iterate(runtime, items);
  std::string out;
  bool is_first = true, is_markup = separator.is_markup();
  for (Value item; iterator->next(runtime, item);) {
    if (!is_markup && !defined(item).is_string())
      fail("join needs strings, not values of type {}", type_name(item));
    if (!std::exchange(is_first, false)) append_str(runtime, separator, out);
    append_str(runtime, is_markup ? escape(runtime, item) : item, out);
  }
  return like(separator, runtime.copy(out));
}

std::string_view strip_text(std::string_view text, const Value& characters, bool left, bool right) {
  if (characters.is_missing() || characters.is_none()) {
    if (left) text = text.substr(skip_whitespace(text, 0));
    if (right) text = text.substr(0, text.size() - trailing_whitespace(text));
    return text;
  }
  const std::string_view set = string_argument("strip", characters);
  const auto is_in_set = [&](std::string_view character) {
    for (size_t at = 0; at < set.size();) {
      const size_t start = at;
      next_character(set, at);
      if (set.substr(start, at - start) == character) return true;
    }
    return false;
  };
  while (left && !text.empty()) {
    const size_t bytes = character_bytes(text, 0);
    if (!is_in_set(text.substr(0, bytes))) break;
    text.remove_prefix(bytes);
  }
  while (right && !text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xc0) == 0x80) --start;
    if (!is_in_set(text.substr(start))) break;
    text = text.substr(0, start);
  }
  return text;
}

Value center_text(Runtime& runtime, const Value& text, int64_t width) {
  const int64_t size = length(runtime, text);
  if (width <= size) return text;
  if (width > static_cast<int64_t>(kMaxBytes)) fail("a field of {} characters is too wide", width);
  const int64_t margin = width - size;
  const int64_t left =
      margin / 2 + (margin & width & 1);  // Python puts the odd space left where the width is odd too.
  std::string out(static_cast<size_t>(left), ' ');
  out += text.text();
  out.append(static_cast<size_t>(margin - left), ' ');
  return like(text, runtime.copy(out));
}

}  // namespace poro::jinja
