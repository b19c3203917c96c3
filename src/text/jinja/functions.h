// The tables of filters, tests, global functions and methods, and what they share.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "text/jinja/object.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace poro::jinja {

// Null for an unknown name.
Native find_filter(std::string_view name);
Native find_test(std::string_view name);
Native find_string_method(std::string_view name);
Native find_list_method(std::string_view name);
Native find_tuple_method(std::string_view name);
Native find_dict_method(std::string_view name);
Native find_number_method(Kind kind, std::string_view name);
// Methods that Jinja2's immutable sandbox knows and refuses: list.append and its like.
bool is_refused_method(Kind kind, std::string_view name);

// range, dict, namespace, cycler, joiner, raise_exception, strftime_now.
void add_globals(Runtime& runtime, Dict& variables);

// The parts of the table of filters.
std::span<const NativeEntry> text_filters();
std::span<const NativeEntry> html_filters();
std::span<const NativeEntry> number_filters();
std::span<const NativeEntry> sequence_filters();
std::span<const NativeEntry> selection_filters();
std::span<const NativeEntry> order_filters();
std::span<const NativeEntry> json_filters();

// A method bound to its receiver, as a value that can be called.
Value native_method(Runtime& runtime, Value self, Native function, std::string_view name);

// Shared pieces of filters and methods.
Value split_whitespace(Runtime& runtime, std::string_view text, int64_t max_splits);
Value split_lines(Runtime& runtime, const Value& text, bool keep_ends);
Value replace_text(Runtime& runtime, std::string_view text, std::string_view from, std::string_view to,
                   int64_t count);
Value join_texts(Runtime& runtime, const Value& separator, const Value& items);
std::string_view strip_text(std::string_view text, const Value& characters, bool left, bool right);
Value center_text(Runtime& runtime, const Value& text, int64_t width);
// value % arguments, for strings.
Value format_percent(Runtime& runtime, const Value& format, const Value& arguments);
Value format_braces(Runtime& runtime, const Value& format, const Arguments& arguments);
std::string format_spec(Runtime& runtime, const Value& value, std::string_view spec);
// A string like `like`: markup stays markup.
Value like(const Value& like, std::string_view text);
// float(text) and int(text, base); empty where Python raises ValueError.
std::optional<double> parse_float(std::string_view text);
std::optional<int64_t> parse_integer(std::string_view text, int base);
// JSON as json.dumps writes it.
Value to_json(Runtime& runtime, const Value& value, const Arguments& arguments);

}  // namespace poro::jinja
