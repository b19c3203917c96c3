// The state of one rendering: its memory, its budget, its output, and where it is in the template.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/jinja/arena.h"
#include "text/jinja/dict.h"
#include "text/jinja/limits.h"
#include "text/jinja/object.h"
#include "text/jinja/value.h"

namespace poro::jinja {

struct FunctionCode;

// The variables of one running macro, loop function or template; `parent` is the one it was written in.
struct Activation {
  Value* slots;
  Activation* parent;
};

// Byte ranges of text written by generation blocks.
using Spans = std::vector<std::pair<size_t, size_t>>;

// Text being written: the template's own, or a macro's or block's until it becomes a value.
struct Output {
  std::string text;
  Spans spans;
};

class Runtime {
 public:
  // Takes `work` from the budget. Throws Error when it is spent.
  void step(uint64_t work = 1) {
    if ((steps_ += work) > kMaxSteps) fail("the template runs for more than {} steps", kMaxSteps);
  }
  // The work of copying or comparing so many bytes of text,
  void step_bytes(size_t bytes) { step(1 + bytes / 64); }
  // of looking at every character of it,
  void step_characters(size_t bytes) { step(1 + bytes / 8); }
  // and of looking at so many items.
  void step_items(size_t count) { step(1 + count / 2); }

  Arena& arena() { return arena_; }
  template <class T, class... Args>
  T* make(Args&&... args) {
    return arena_.make<T>(std::forward<Args>(args)...);
  }
  // `count` missing values.
  std::span<Value> values(size_t count);
  std::string_view copy(std::string_view text);
  Value string(std::string_view text) { return Value::string(copy(text)); }
  Value list(std::span<const Value> items);
  Value tuple(std::span<const Value> items);
  Dict* dict() { return make<Dict>(); }

  // The variables of a function that begins to run, all missing.
  Activation* activate(const FunctionCode& code, Activation* parent);

  // Appends to the current output; a value made from an output with spans carries them along.
  void write(std::string_view text);
  void write(const Value& value);
  Value take(Output&& output);
  // Tells that `whole` contains `part` from byte `at` on.
  void carry_spans(const Value& whole, const Value& part, size_t at);

  Output* output = nullptr;
  Activation* activation = nullptr;
  Dict* variables =
      nullptr;  // Of the template as a whole: the caller's, and those set outside blocks and loops.
  int line = 0;
  int depth = 0;        // Nodes being evaluated.
  int macro_depth = 0;  // Macros being run.
  int value_depth = 0;  // Lists and dicts being walked into.

 private:
  Arena arena_;
  uint64_t steps_ = 0;
  size_t written_ = 0;
  std::unordered_map<const char*, Spans> carried_;  // By where the text of the value starts.
};

// Counts one level of nesting for as long as it lives.
class Nesting {
 public:
  Nesting(int& depth, int limit, const char* what) : depth_(depth) {
    if (depth_ >= limit) fail("the template nests {} more than {} deep", what, limit);
    ++depth_;
  }
  ~Nesting() { --depth_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  int& depth_;
};

}  // namespace poro::jinja
