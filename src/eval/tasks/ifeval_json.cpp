#include "eval/tasks/ifeval_json.h"

#include <cctype>

namespace poro::ifeval {
namespace {

constexpr int kMaxDepth = 990;       // Where Python's own recursion limit ends the original.
constexpr size_t kMaxDigits = 4300;  // Of a whole number; Python turns no more into an int.

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool whole() { return value(0) && (skip_space(), text_.empty()); }

 private:
  bool value(int depth) {
    skip_space();
    if (text_.empty() || depth > kMaxDepth) return false;
    switch (text_.front()) {
      case '{':
        return list('}', [&] { return key() && value(depth + 1); });
      case '[':
        return list(']', [&] { return value(depth + 1); });
      case '"':
        return string();
      default:
        for (const char* name : {"null", "true", "false", "NaN", "Infinity", "-Infinity"})
          if (take(name)) return true;
        return number();
    }
  }

  template <class Item>
  bool list(char end, Item item) {
    text_.remove_prefix(1);
    skip_space();
    if (take(end)) return true;
    while (item()) {
      skip_space();
      if (take(end)) return true;
      if (!take(',')) return false;
    }
    return false;
  }

  bool key() {
    skip_space();
    if (text_.empty() || text_.front() != '"' || !string()) return false;
    skip_space();
    return take(':');
  }

  bool string() {
    for (text_.remove_prefix(1); !text_.empty();) {
      const char c = text_.front();
      text_.remove_prefix(1);
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c == '\\' && !escape()) return false;
    }
    return false;
  }

  bool escape() {
    if (text_.empty()) return false;
    const char c = text_.front();
    text_.remove_prefix(1);
    if (c != 'u') return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
    for (int i = 0; i < 4; ++i, text_.remove_prefix(1))
      if (text_.empty() || !std::isxdigit(static_cast<unsigned char>(text_.front()))) return false;
    return true;
  }

  bool number() {
    take('-');
    const size_t before = text_.size();
    if (!take('0') && !digits()) return false;
    const std::string_view integer_end = text_;
    if (take('.') && !digits()) text_ = integer_end;
    const std::string_view fraction_end = text_;
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!digits()) text_ = fraction_end;
    }
    const bool is_whole = text_.size() == integer_end.size();
    return !is_whole || before - integer_end.size() <= kMaxDigits;
  }

  bool digits() {
    const size_t before = text_.size();
    while (!text_.empty() && text_.front() >= '0' && text_.front() <= '9') text_.remove_prefix(1);
    return text_.size() < before;
  }

  bool take(char c) { return take(std::string_view(&c, 1)); }
  bool take(std::string_view word) {
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }

  void skip_space() {
    while (!text_.empty() && std::string_view(" \t\n\r").find(text_.front()) != std::string_view::npos)
      text_.remove_prefix(1);
  }

  std::string_view text_;
};

}  // namespace

bool is_python_json(std::string_view text) {
  return Reader(text).whole();
}

}  // namespace poro::ifeval
