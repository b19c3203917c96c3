#include "text/jinja/wrapping.h"

#include <algorithm>

#include "text/jinja/operations.h"
#include "text/jinja/printing.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

constexpr std::string_view kBreakable = "\t\n\v\f\r ";

bool is_blank(std::string_view chunk) {
  return chunk.find_first_not_of(kBreakable) == std::string_view::npos;
}

bool is_word_part(std::string_view text, size_t at) {
  if (at >= text.size()) return false;
  const char32_t point = next_character(text, at);
  return point == '_' || is_alphanumeric(point);
}

// Where a word may break inside: behind the hyphen of "well-known", at both ends of a dash of two or more
// hyphens.
std::vector<std::string_view> split_word(std::string_view word) {
  std::vector<std::string_view> parts;
  size_t start = 0;
  const auto cut = [&](size_t at) {
    if (at > start) parts.push_back(word.substr(start, at - start));
    start = at;
  };
  const auto is_letter_at = [&](size_t at) {
    if (at >= word.size()) return false;
    const char32_t point = next_character(word, at);
    return point == '_' || (is_alphanumeric(point) && !is_decimal(point));
  };
  for (size_t at = 0; at < word.size(); ++at) {
    if (word[at] != '-') continue;
    size_t end = at;
    while (end < word.size() && word[end] == '-') ++end;
    const auto before = [&](size_t back) {
      size_t place = at;
      for (size_t i = 0; i < back; ++i) {
        if (place == start) return word.size();
        do --place;
        while (place > start && (static_cast<unsigned char>(word[place]) & 0xc0) == 0x80);
      }
      return place;
    };
    const bool follows_word =
        at > start && (is_word_part(word, before(1)) ||
                       std::string_view("!\"'&.,?").find(word[at - 1]) != std::string_view::npos);
    if (end - at >= 2) {
      if (follows_word && is_word_part(word, end)) {
        cut(at);
        cut(end);
      }
    } else if (at > start) {
      // Two letters before and two after, of which the second may come after another hyphen.
      const bool letters_before =
          is_letter_at(before(1)) &&
          (is_letter_at(before(2)) || (at >= 2 && word[at - 2] == '-' && is_letter_at(before(3))));
      size_t second = at + 1;
      const bool letter_after = is_letter_at(second);
      if (letter_after) second += character_bytes(word, second);
      const bool letters_after =
          letter_after &&
          (is_letter_at(second) || (second < word.size() && word[second] == '-' && is_letter_at(second + 1)));
      if (letters_before && letters_after) cut(at + 1);
    }
    at = end - 1;
  }
  cut(word.size());
  return parts;
}

std::vector<std::string_view> chunks_of(std::string_view text, bool breaks_on_hyphens) {
  std::vector<std::string_view> chunks;
  for (size_t at = 0; at < text.size();) {
    const bool is_space = kBreakable.find(text[at]) != std::string_view::npos;
    size_t end = is_space ? text.find_first_not_of(kBreakable, at) : text.find_first_of(kBreakable, at);
    end = std::min(end, text.size());
    const std::string_view chunk = text.substr(at, end - at);
    if (is_space || !breaks_on_hyphens) {
      chunks.push_back(chunk);
    } else {
      for (const std::string_view part : split_word(chunk)) chunks.push_back(part);
    }
    at = end;
  }
  std::reverse(chunks.begin(), chunks.end());  // The next one is at the back.
  return chunks;
}

// Has `text` at most `limit` characters? Looks no further than that.
bool fits(std::string_view text, int64_t limit) {
  return byte_offset(text, static_cast<size_t>(limit)) == text.size();
}

// Takes as much of a word that is too long as fits, a hyphen as its last character if there is one.
void break_word(std::vector<std::string_view>& chunks, std::vector<std::string_view>& line, int64_t space,
                const WrapStyle& style) {
  const std::string_view word = chunks.back();
  if (style.breaks_long_words) {
    size_t end = byte_offset(word, static_cast<size_t>(space));
    if (style.breaks_on_hyphens && !fits(word, space)) {
      const size_t hyphen = word.substr(0, end).rfind('-');
      if (hyphen != std::string_view::npos && hyphen > 0 &&
          word.substr(0, hyphen).find_first_not_of('-') != std::string_view::npos)
        end = hyphen + 1;
    }
    line.push_back(word.substr(0, end));
    chunks.back().remove_prefix(end);
    if (chunks.back().empty()) chunks.pop_back();
  } else if (line.empty()) {
    line.push_back(word);
    chunks.pop_back();
  }
}

class PrettyPrinter {
 public:
  explicit PrettyPrinter(Runtime& runtime) : runtime_(runtime) {}

  // `allowance`: the columns that closing brackets behind the value will take.
  void print(const Value& value, size_t indent, size_t allowance, std::string& out) {
    const std::string flat = repr(runtime_, sorted(value));
    if (count_characters(flat) + indent + allowance <= kWidth ||
        !(value.is_sequence() || value.is(Kind::kDict))) {
      out += flat;
      return;
    }
    const Nesting nesting(runtime_.value_depth, kMaxValueDepth, "values");
    if (value.is(Kind::kDict)) return print_dict(value.dict(), indent, allowance, out);
    const bool is_single_tuple = value.is(Kind::kTuple) && value.items().size() == 1;
    const char* close = value.is(Kind::kList) ? "]" : is_single_tuple ? ",)" : ")";
    out += value.is(Kind::kList) ? '[' : '(';
    for (size_t i = 0; i < value.items().size(); ++i) {
      if (i > 0) out += ",\n" + std::string(indent + 1, ' ');
      print(value.items()[i], indent + 1,
            i + 1 == value.items().size() ? allowance + std::string_view(close).size() : 1, out);
    }
    out += close;
  }

 private:
  static constexpr size_t kWidth = 80;

  std::vector<Dict::Entry> sorted_entries(const Dict& dict) {
    std::vector<Dict::Entry> entries(dict.entries().begin(), dict.entries().end());
    std::stable_sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
      const bool is_comparable =
          (a.key.is_string() && b.key.is_string()) || (a.key.is_numeric() && b.key.is_numeric());
      return is_comparable ? less(runtime_, a.key, b.key) : type_name(a.key) < type_name(b.key);
    });
    return entries;
  }

  Value sorted(const Value& value) {
    runtime_.step();
    const Nesting nesting(runtime_.value_depth, kMaxValueDepth, "values");
    if (value.is(Kind::kDict)) {
      Dict* dict = runtime_.dict();
      for (const auto& [key, item] : sorted_entries(value.dict())) dict->set(runtime_, key, sorted(item));
      return Value::dict(dict);
    }
    if (!value.is_sequence()) return value;
    const std::span<Value> items = runtime_.values(value.items().size());
    for (size_t i = 0; i < items.size(); ++i) items[i] = sorted(value.items()[i]);
    return value.is(Kind::kList) ? Value::list(items) : Value::tuple(items);
  }

  void print_dict(const Dict& dict, size_t indent, size_t allowance, std::string& out) {
    const std::vector<Dict::Entry> entries = sorted_entries(dict);
    out += '{';
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out += ",\n" + std::string(indent + 1, ' ');
      const std::string key = repr(runtime_, entries[i].key);
      out += key + ": ";
      print(entries[i].value, indent + count_characters(key) + 3, i + 1 == entries.size() ? allowance + 1 : 1,
            out);
    }
    out += '}';
  }

  Runtime& runtime_;
};

}  // namespace

std::vector<std::string> wrap_line(std::string_view text, const WrapStyle& style) {
  if (style.width <= 0) fail("the width of wordwrap must be above 0, not {}", style.width);
  std::vector<std::string_view> chunks = chunks_of(text, style.breaks_on_hyphens);
  std::vector<std::string> lines;
  while (!chunks.empty()) {
    if (!lines.empty() && is_blank(chunks.back())) chunks.pop_back();
    std::vector<std::string_view> line;
    int64_t used = 0;
    while (!chunks.empty()) {
      if (!fits(chunks.back(), style.width - used)) break;
      used += static_cast<int64_t>(count_characters(chunks.back()));
      line.push_back(chunks.back());
      chunks.pop_back();
    }
    if (!chunks.empty() && !fits(chunks.back(), style.width))
      break_word(chunks, line, style.width - used, style);
    if (!line.empty() && is_blank(line.back())) line.pop_back();
    if (line.empty()) continue;
    std::string joined;
    for (const std::string_view chunk : line) joined += chunk;
    lines.push_back(std::move(joined));
  }
  return lines;
}

std::string pretty_print(Runtime& runtime, const Value& value) {
  std::string out;
  PrettyPrinter(runtime).print(value, 0, 0, out);
  return out;
}

}  // namespace poro::jinja
