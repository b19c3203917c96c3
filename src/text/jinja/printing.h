// Values as text: Python's str() and repr().
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace poro::jinja {

std::string repr_of_float(double value);
void append_repr_of_string(std::string& out, std::string_view text);

void append_repr(Runtime& runtime, const Value& value, std::string& out);
std::string repr(Runtime& runtime, const Value& value);
void append_str(Runtime& runtime, const Value& value, std::string& out);
// The text of a string itself, else new text in the arena.
std::string_view str(Runtime& runtime, const Value& value);
// Writes str(value), of anything but a string, to the output.
void write_str(Runtime& runtime, const Value& value);

// `text` with the five characters of HTML replaced; `value` likewise unless it is markup already.
std::string escape_html(std::string_view text);
Value escape(Runtime& runtime, const Value& value);

}  // namespace poro::jinja
