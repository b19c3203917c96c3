#include "text/prose.h"

#include <algorithm>

#include "text/unicode.h"

namespace poro {
namespace {

using Kind = ProsePiece::Kind;

// A line at least this wide may have been broken for its width alone, so the next one goes on from it; a
// shorter one (of an address, a poem, a dialogue) was ended on purpose.
constexpr size_t kWrappedColumns = 50;
constexpr std::string_view kSpaces = " \t\r", kBlank = " \t\r\n";

size_t columns_of(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool has_letter(std::string_view text) {
  const UnicodeTables& tables = UnicodeTables::get();
  for (const char* at = text.data(); at < text.data() + text.size();)
    if (tables.is_letter(next_code_point(at))) return true;
  return false;
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(kBlank) == std::string_view::npos;
}

size_t spaces_at(std::string_view line, size_t at) {
  return std::min(line.find_first_not_of(kSpaces, at), line.size()) - at;
}

// How long the marker of a list item, a heading or a quote at this place is, the space after it included; 0
// for none.
size_t marker_length(std::string_view line, size_t at) {
  const size_t begin = at;
  if (at < line.size() && line[at] == '#') {
    while (at < line.size() && line[at] == '#') ++at;
  } else if (at < line.size() && std::string_view("-*+>").find(line[at]) != std::string_view::npos) {
    if (line[at++] == '>') return at + spaces_at(line, at) - begin;
  } else {
    while (at < line.size() && line[at] >= '0' && line[at] <= '9') ++at;
    if (at == begin || at - begin > 9 || at == line.size() || (line[at] != '.' && line[at] != ')')) return 0;
    ++at;
  }
  const size_t spaces = spaces_at(line, at);
  return spaces > 0 ? at + spaces - begin : 0;
}

// Indentation and markers: "  - ", "> > 1. ". A task's box belongs to its item.
size_t prefix_length(std::string_view line) {
  size_t at = spaces_at(line, 0);
  while (const size_t length = marker_length(line, at)) at += length;
  for (const std::string_view box : {"[ ] ", "[x] ", "[X] "})
    if (line.substr(at).starts_with(box)) at += box.size();
  return at;
}

// Indentation and the markers of quotes alone, which each line of a quote has.
size_t quote_length(std::string_view line) {
  size_t at = spaces_at(line, 0);
  while (at < line.size() && line[at] == '>') at += 1 + spaces_at(line, at + 1);
  return at;
}

std::string_view without_end(std::string_view line) {
  return line.substr(0, line.find_last_not_of(kBlank) + 1);
}

// The fence that a line opens: its character and length; a length of 0 for none.
struct Fence {
  char character = 0;
  size_t length = 0;
};
Fence fence_of(std::string_view line) {
  const size_t at = prefix_length(line);
  if (at >= line.size() || (line[at] != '`' && line[at] != '~')) return {};
  const size_t length = std::min(line.find_first_not_of(line[at], at), line.size()) - at;
  const bool is_inline = line[at] == '`' && line.find('`', at + length) != std::string_view::npos;
  return length < 3 || is_inline ? Fence{} : Fence{line[at], length};
}

// The words of a text with one space between them.
std::string joined_words(std::string_view text) {
  std::string joined;
  for (size_t at = 0; (at = text.find_first_not_of(kBlank, at)) != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kBlank, at), text.size());
    if (!joined.empty()) joined += ' ';
    joined += text.substr(at, end - at);
    at = end;
  }
  return joined;
}

class ProseSplitter {
 public:
  explicit ProseSplitter(std::string_view document) : rest_(document) {}

  std::vector<ProsePiece> split() {
    while (!rest_.empty()) {
      const std::string_view line = next_line();
      const Fence fence = fence_of(line);
      if (fence.length > 0)
        keep_block(line, fence);
      else if (is_blank(line) || is_indented_code(line))
        keep(line);
      else if (line[spaces_at(line, 0)] == '|')
        cut_row(line);
      else
        cut_paragraph(line);
      // A paragraph eats the lines that go on from it, so this one is the first after a blank line or
      // another.
      is_after_blank_ = is_blank(line) || (is_after_blank_ && is_indented_code(line));
    }
    return std::move(pieces_);
  }

 private:
  std::string_view peek_line() const { return rest_.substr(0, std::min(rest_.find('\n'), rest_.size()) + 1); }
  std::string_view next_line() {
    const std::string_view line = peek_line();
    rest_.remove_prefix(line.size());
    ++line_;
    return line;
  }

  void keep(std::string_view text) {
    if (text.empty()) return;
    if (pieces_.empty() || pieces_.back().kind != Kind::kKept)
      pieces_.push_back({.kind = Kind::kKept, .line = line_});
    pieces_.back().text += text;
  }
  // The piece that the prose of `text` became, if there is a letter in it.
  ProsePiece* add_prose(std::string_view text, size_t first_line) {
    if (!has_letter(text)) return keep(text), nullptr;
    const size_t begin = text.find_first_not_of(kBlank), end = text.find_last_not_of(kBlank) + 1;
    keep(text.substr(0, begin));
    pieces_.push_back(
        {.kind = Kind::kProse, .text = std::string(text.substr(begin, end - begin)), .line = first_line});
    const size_t index = pieces_.size() - 1;
    keep(text.substr(end));
    return &pieces_[index];
  }

  void keep_block(std::string_view opening, Fence fence) {
    keep(opening);
    while (!rest_.empty()) {
      const std::string_view line = next_line();
      keep(line);
      const Fence closing = fence_of(line);
      const bool is_closing = closing.character == fence.character && closing.length >= fence.length &&
                              is_blank(line.substr(prefix_length(line) + closing.length));
      if (is_closing) return;
    }
  }

  // Four columns of indentation after a blank line, and no item of a list above that it would belong to.
  bool is_indented_code(std::string_view line) const {
    return is_after_blank_ && !is_in_list_ && (line.starts_with("    ") || line.starts_with("\t"));
  }

  void cut_row(std::string_view line) {
    for (size_t at = 0; at < line.size();) {
      const size_t bar = std::min(line.find('|', at), line.size());
      add_prose(line.substr(at, bar - at), line_);
      keep(line.substr(bar, 1));
      at = bar + 1;
    }
  }

  // A line without its prefix, and those that go on from it.
  void cut_paragraph(std::string_view line) {
    const size_t prefix = prefix_length(line), spaces = spaces_at(line, 0), first_line = line_;
    const bool is_heading = line[spaces] == '#';
    if (prefix > spaces && !is_heading)
      is_in_list_ = true;
    else if (prefix == 0)
      is_in_list_ = false;
    keep(line.substr(0, prefix));
    const char* const begin = line.data() + prefix;
    size_t columns = columns_of(without_end(line));
    std::string indent;
    while (!is_heading && goes_on(line)) {
      line = next_line();
      columns = std::max(columns, columns_of(without_end(line)));
      if (line_ == first_line + 1) indent = line.substr(0, quote_length(line));
    }
    const char* const end = line.data() + line.size();
    ProsePiece* piece = add_prose({begin, static_cast<size_t>(end - begin)}, first_line);
    if (piece == nullptr || line_ == first_line) return;
    piece->columns = columns;
    piece->indent = indent;
  }

  // Whether the next line only exists because this one was wide enough. A quote goes on as a quote.
  bool goes_on(std::string_view line) const {
    const std::string_view next = peek_line();
    if (is_blank(next) || fence_of(next).length > 0 || !has_letter(next)) return false;
    if (line.ends_with("  \n") || without_end(line).ends_with('\\')) return false;
    const size_t quote = quote_length(next);
    const bool is_quote = quote > spaces_at(next, 0);
    if (is_quote != (line[spaces_at(line, 0)] == '>')) return false;
    if (prefix_length(next) > quote || next[quote] == '|') return false;
    return columns_of(line) > kWrappedColumns;
  }

  std::string_view rest_;
  std::vector<ProsePiece> pieces_;
  size_t line_ = 0;
  bool is_after_blank_ = true;
  bool is_in_list_ = false;
};

}  // namespace

std::vector<ProsePiece> split_prose(std::string_view document) {
  return ProseSplitter(document).split();
}

std::string sentence_of(const ProsePiece& piece) {
  std::string text;
  for (size_t at = 0; at < piece.text.size();) {
    const size_t end = std::min(piece.text.find('\n', at), piece.text.size());
    const std::string_view line = std::string_view(piece.text).substr(at, end - at);
    text += line.substr(at > 0 ? quote_length(line) : 0);
    text += ' ';
    at = end + 1;
  }
  return joined_words(text);
}

std::string laid_out(std::string_view text, const ProsePiece& piece) {
  std::string words = joined_words(text);
  if (piece.columns == 0) return words;
  std::string result;
  size_t column =
      columns_of(piece.indent);  // The first line's marker is about as wide as the indentation below.
  for (size_t at = 0; at < words.size();) {
    const size_t end = std::min(words.find(' ', at), words.size());
    const std::string_view word = std::string_view(words).substr(at, end - at);
    if (at > 0 && column + 1 + columns_of(word) > piece.columns) {
      result += '\n' + piece.indent;
      column = columns_of(piece.indent);
    } else if (at > 0) {
      result += ' ';
      ++column;
    }
    result += word;
    column += columns_of(word);
    at = end + 1;
  }
  return result;
}

}  // namespace poro
