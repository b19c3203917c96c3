// The methods of Python's str.
#include <algorithm>
#include <array>

#include "text/jinja/arguments.h"
#include "text/jinja/functions.h"
#include "text/jinja/printing.h"
#include "text/jinja/search.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

void refuse_named(std::string_view what, const Arguments& arguments) {
  if (!arguments.named.empty()) fail("{} takes no named arguments", what);
}

template <std::string (*kMap)(std::string_view)>
Value mapped(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("this method", arguments);
  runtime.step_characters(self.text().size() * 2);
  return like(self, runtime.copy(kMap(self.text())));
}

template <bool kLeft, bool kRight>
Value strip(Runtime& runtime, Value self, const Arguments& arguments) {
  refuse_named("strip", arguments);
  const auto [characters] = bind("strip", arguments, {"chars"});
  runtime.step_bytes(self.text().size());
  return like(self, strip_text(self.text(), characters, kLeft, kRight));
}

// From the end, `max_splits` times at most.
std::vector<Value> split_from_right(std::string_view text, std::string_view separator, int64_t max_splits) {
  std::vector<Value> parts;
  const BackwardSearch search(text, separator);
  while (max_splits < 0 || static_cast<int64_t>(parts.size()) < max_splits) {
    const size_t found = search.before(text.size());
    if (found == std::string_view::npos) break;
    parts.push_back(Value::string(text.substr(found + separator.size())));
    text = text.substr(0, found);
  }
  parts.push_back(Value::string(text));
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<Value> split_from_left(std::string_view text, std::string_view separator, int64_t max_splits) {
  std::vector<Value> parts;
  while (max_splits < 0 || static_cast<int64_t>(parts.size()) < max_splits) {
    const size_t found = find_text(text, separator);
    if (found == std::string_view::npos) break;
    parts.push_back(Value::string(text.substr(0, found)));
    text.remove_prefix(found + separator.size());
  }
  parts.push_back(Value::string(text));
  return parts;
}

std::vector<Value> split_whitespace_from_right(std::string_view text, int64_t max_splits) {
  std::vector<Value> parts;
  while (true) {
    text = text.substr(0, text.size() - trailing_whitespace(text));
    if (text.empty()) break;
    if (max_splits >= 0 && static_cast<int64_t>(parts.size()) == max_splits) {
      parts.push_back(Value::string(text));
      break;
    }
    size_t start = text.size();
    while (start > 0) {
      size_t previous = start - 1;
      while (previous > 0 && (static_cast<unsigned char>(text[previous]) & 0xc0) == 0x80) --previous;
      size_t at = previous;
      if (is_space(next_character(text, at))) break;
      start = previous;
    }
    parts.push_back(Value::string(text.substr(start)));
    text = text.substr(0, start);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

template <bool kFromRight>
Value split(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [separator, max_splits] = bind("split", arguments, {"sep", "maxsplit"});
  const int64_t limit = integer_argument("split", max_splits, -1);
  const std::string_view text = self.text();
  runtime.step_characters(text.size());
  if (separator.is_missing() || separator.is_none())
    return kFromRight ? runtime.list(split_whitespace_from_right(text, limit))
                      : split_whitespace(runtime, text, limit);
  const std::string_view by = string_argument("split", separator);
  if (by.empty()) fail("split needs a separator that is not empty");
  return runtime.list(kFromRight ? split_from_right(text, by, limit) : split_from_left(text, by, limit));
}

Value splitlines(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [keepends] = bind("splitlines", arguments, {"keepends"});
  return split_lines(runtime, self, flag_argument(runtime, keepends, false));
}

template <bool kFromRight>
Value partition(Runtime& runtime, Value self, const Arguments& arguments) {
  refuse_named("partition", arguments);
  const auto [separator] = bind("partition", arguments, {"sep"});
  const std::string_view by = string_argument("partition", required("partition", "sep", separator));
  if (by.empty()) fail("partition needs a separator that is not empty");
  const std::string_view text = self.text();
  runtime.step_bytes(text.size());
  const size_t found = kFromRight ? BackwardSearch(text, by).before(text.size()) : find_text(text, by);
  const auto three = [&](std::string_view a, std::string_view b, std::string_view c) {
    return runtime.tuple(std::array{Value::string(a), Value::string(b), Value::string(c)});
  };
  if (found == std::string_view::npos) return kFromRight ? three("", "", text) : three(text, "", "");
  return three(text.substr(0, found), by, text.substr(found + by.size()));
}

Value join(Runtime& runtime, Value self, const Arguments& arguments) {
  refuse_named("join", arguments);
  const auto [items] = bind("join", arguments, {"iterable"});
  return join_texts(runtime, self, required("join", "iterable", items));
}

Value replace(Runtime& runtime, Value self, const Arguments& arguments) {
  refuse_named("replace", arguments);
  const auto [from, to, count] = bind("replace", arguments, {"old", "new", "count"});
  const Value result = replace_text(
      runtime, self.text(), string_argument("replace", required("replace", "old", from)),
      string_argument("replace", required("replace", "new", to)), integer_argument("replace", count, -1));
  return like(self, result.text());
}

// The part of `self` that optional bounds `start` and `end` name, and where it begins, in characters.
struct Range {
  std::string_view text;
  int64_t start;
  bool is_empty_beyond_end;  // start lies behind the end: even "" is not found there.
};
Range range_of(Runtime& runtime, const Value& self, const Value& start, const Value& end) {
  const int64_t size = length(runtime, self);
  const auto bound = [&](const Value& value, int64_t otherwise) {
    if (value.is_missing() || value.is_none()) return otherwise;
    const int64_t given = integer_argument("this method", value);
    return given < 0 ? std::max<int64_t>(0, given + size) : given;
  };
  const int64_t from = bound(start, 0), to = std::min(bound(end, size), size);
  if (from > to) return {"", from, true};
  const std::string_view rest = self.text().substr(byte_offset(self.text(), static_cast<size_t>(from)));
  return {to == size ? rest : rest.substr(0, byte_offset(rest, static_cast<size_t>(to - from))), from, false};
}

template <bool kFromRight, bool kMustExist>
Value find(Runtime& runtime, Value self, const Arguments& arguments) {
  refuse_named("find", arguments);
  const auto [part, start, end] = bind("find", arguments, {"sub", "start", "end"});
  const std::string_view wanted = string_argument("find", required("find", "sub", part));
  const Range range = range_of(runtime, self, start, end);
  runtime.step_bytes(range.text.size() * (kFromRight ? 3 : 1));
  const size_t found = range.is_empty_beyond_end ? std::string_view::npos
                       : kFromRight ? BackwardSearch(range.text, wanted).before(range.text.size())
                                    : find_text(range.text, wanted);
  if (found == std::string_view::npos) {
    if (kMustExist) fail("the text looked up with index is not there");
    return Value::integer(-1);
  }
  return Value::integer(range.start + static_cast<int64_t>(count_characters(range.text.substr(0, found))));
}

Value count(Runtime& runtime, Value self, const Arguments& arguments) {
  refuse_named("count", arguments);
  const auto [part, start, end] = bind("count", arguments, {"sub", "start", "end"});
  const std::string_view wanted = string_argument("count", required("count", "sub", part));
  const Range range = range_of(runtime, self, start, end);
  if (range.is_empty_beyond_end) return Value::integer(0);
  if (wanted.empty()) return Value::integer(static_cast<int64_t>(count_characters(range.text)) + 1);
  int64_t found = 0;
  for (size_t at = find_text(range.text, wanted); at != std::string_view::npos;
       at = find_text(range.text, wanted, at + wanted.size()))
    ++found;
  return Value::integer(found);
}

template <bool kAtEnd>
Value affix(Runtime& runtime, Value self, const Arguments& arguments) {
  const char* what = kAtEnd ? "endswith" : "startswith";
  refuse_named(what, arguments);
  const auto [affixes, start, end] = bind(what, arguments, {"affix", "start", "end"});
  const Range range = range_of(runtime, self, start, end);
  const auto matches = [&](const Value& value) {
    const std::string_view text = string_argument(what, value);
    return !range.is_empty_beyond_end && (kAtEnd ? range.text.ends_with(text) : range.text.starts_with(text));
  };
  if (!required(what, "affix", affixes).is(Kind::kTuple)) return Value::boolean(matches(affixes));
  return Value::boolean(std::any_of(affixes.items().begin(), affixes.items().end(), matches));
}

template <bool kAtEnd>
Value remove_affix(Runtime&, Value self, const Arguments& arguments) {
  const char* what = kAtEnd ? "removesuffix" : "removeprefix";
  refuse_named(what, arguments);
  const auto [affix] = bind(what, arguments, {"affix"});
  const std::string_view text = string_argument(what, required(what, "affix", affix));
  std::string_view rest = self.text();
  if (kAtEnd ? rest.ends_with(text) : rest.starts_with(text)) {
    if (kAtEnd)
      rest.remove_suffix(text.size());
    else
      rest.remove_prefix(text.size());
  }
  return like(self, rest);
}

enum class Side : uint8_t { kLeft, kRight, kCenter };

template <Side kSide>
Value justify(Runtime& runtime, Value self, const Arguments& arguments) {
  refuse_named("this method", arguments);
  const auto [width_given, fill_given] = bind("this method", arguments, {"width", "fillchar"});
  const int64_t width = integer_argument("this method", required("this method", "width", width_given));
  const std::string_view fill = fill_given.is_missing() ? " " : string_argument("this method", fill_given);
  if (count_characters(fill) != 1) fail("the fill character must be one character");
  const int64_t margin = width - length(runtime, self);
  if (margin <= 0) return self;
  const int64_t left = kSide == Side::kLeft    ? 0
                       : kSide == Side::kRight ? margin
                                               : margin / 2 + (margin & width & 1);
  const Value padding = Value::string(fill);
  const Value before = multiply(runtime, padding, Value::integer(left));
  const Value after = multiply(runtime, padding, Value::integer(margin - left));
  return like(self, add(runtime, add(runtime, before, Value::string(self.text())), after).text());
}

Value zfill(Runtime& runtime, Value self, const Arguments& arguments) {
  refuse_named("zfill", arguments);
  const auto [width] = bind("zfill", arguments, {"width"});
  const int64_t margin = integer_argument("zfill", required("zfill", "width", width)) - length(runtime, self);
  if (margin <= 0) return self;
  const std::string_view text = self.text();
  const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const Value zeros = multiply(runtime, Value::string("0"), Value::integer(margin));
  return like(self, runtime.copy(std::string(text.substr(0, sign)) + std::string(zeros.text()) +
                                 std::string(text.substr(sign))));
}

Value expandtabs(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [size_given] = bind("expandtabs", arguments, {"tabsize"});
  const int64_t size = integer_argument("expandtabs", size_given, 8);
  std::string out;
  int64_t column = 0;
  const std::string_view text = self.text();
  runtime.step_characters(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const char32_t point = next_character(text, at);
    if (point == '\t') {
      const int64_t spaces = size > 0 ? size - column % size : 0;
      if (spaces + static_cast<int64_t>(out.size()) > static_cast<int64_t>(kMaxBytes))
        fail("expandtabs makes too long a text");
      out.append(static_cast<size_t>(spaces), ' ');
      column += spaces;
    } else {
      out += text.substr(start, at - start);
      column = point == '\n' || point == '\r' ? 0 : column + 1;
    }
  }
  return like(self, runtime.copy(out));
}

// Every character passes, and there is one.
template <bool (*kPredicate)(char32_t)>
Value every(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("this method", arguments);
  const std::string_view text = self.text();
  runtime.step_characters(text.size());
  for (size_t at = 0; at < text.size();)
    if (!kPredicate(next_character(text, at))) return Value::boolean(false);
  return Value::boolean(!text.empty());
}

Value isascii(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("isascii", arguments);
  runtime.step_bytes(self.text().size());
  return Value::boolean(is_ascii(self.text()));
}

Value isprintable(Runtime& runtime, Value self, const Arguments& arguments) {
  return self.text().empty() ? Value::boolean(true) : every<is_printable>(runtime, self, arguments);
}

Value isidentifier(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("isidentifier", arguments);
  runtime.step_characters(self.text().size());
  return Value::boolean(is_identifier(self.text()));
}

template <const char* kTest>
Value by_test(Runtime& runtime, Value self, const Arguments& arguments) {
  return find_test(kTest)(runtime, self, arguments);
}
constexpr char kLower[] = "lower", kUpper[] = "upper";

// Capitals only after what has no case, small letters only after what has.
Value istitle(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("istitle", arguments);
  runtime.step_characters(self.text().size());
  bool was_cased = false, found = false;
  const std::string_view text = self.text();
  for (size_t at = 0; at < text.size();) {
    const char32_t point = next_character(text, at);
    const bool is_capital = is_cased_upper(point) || is_title(point);
    if (is_capital ? was_cased : is_cased_lower(point) && !was_cased) return Value::boolean(false);
    was_cased = is_capital || is_cased_lower(point);
    found = found || was_cased;
  }
  return Value::boolean(found);
}

Value format(Runtime& runtime, Value self, const Arguments& arguments) {
  return format_braces(runtime, self, arguments);
}

Value format_map(Runtime& runtime, Value self, const Arguments& arguments) {
  refuse_named("format_map", arguments);
  const auto [mapping] = bind("format_map", arguments, {"mapping"});
  if (!defined(required("format_map", "mapping", mapping)).is(Kind::kDict)) fail("format_map needs a dict");
  std::vector<Named> named;
  for (const auto& [key, value] : mapping.dict().entries())
    if (key.is_string()) named.push_back({key.text(), value});
  return format_braces(runtime, self, {{}, named});
}

constexpr NativeEntry kMethods[] = {
    {"capitalize", mapped<to_capitalized>},
    {"casefold", mapped<to_casefold>},
    {"center", justify<Side::kCenter>},
    {"count", count},
    {"endswith", affix<true>},
    {"expandtabs", expandtabs},
    {"find", find<false, false>},
    {"format", format},
    {"format_map", format_map},
    {"index", find<false, true>},
    {"isalnum", every<is_alphanumeric>},
    {"isalpha", every<is_letter>},
    {"isascii", isascii},
    {"isdecimal", every<is_decimal>},
    {"isdigit", every<is_digit_like>},
    {"isidentifier", isidentifier},
    {"islower", by_test<kLower>},
    {"isnumeric", every<is_numeric_like>},
    {"isprintable", isprintable},
    {"isspace", every<is_space>},
    {"istitle", istitle},
    {"isupper", by_test<kUpper>},
    {"join", join},
    {"ljust", justify<Side::kLeft>},
    {"lower", mapped<to_lower>},
    {"lstrip", strip<true, false>},
    {"partition", partition<false>},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"replace", replace},
    {"rfind", find<true, false>},
    {"rindex", find<true, true>},
    {"rjust", justify<Side::kRight>},
    {"rpartition", partition<true>},
    {"rsplit", split<true>},
    {"rstrip", strip<false, true>},
    {"split", split<false>},
    {"splitlines", splitlines},
    {"startswith", affix<false>},
    {"strip", strip<true, true>},
    {"swapcase", mapped<to_swapped_case>},
    {"title", mapped<to_title_case>},
    {"upper", mapped<to_upper>},
    {"zfill", zfill},
};

}  // namespace

Native find_string_method(std::string_view name) {
  const auto* found = std::find_if(std::begin(kMethods), std::end(kMethods),
                                   [&](const auto& entry) { return entry.name == name; });
  return found == std::end(kMethods) ? nullptr : found->function;
}

}  // namespace poro::jinja
