// A value of the template language, with Python's types: 16 bytes, copied freely, pointing into the arena of
// the rendering or into the caller's JSON. Strings are UTF-8; lists and dicts never change once a template
// can see them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace poro::jinja {

class Runtime;
class Dict;
class Object;

enum class Kind : uint8_t {
  kMissing,
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kObject
};

// Why a value is undefined; with the name it makes the sentence of the error.
enum class Lack : uint8_t { kVariable, kAttribute, kBecause };

class Value {
 public:
  constexpr Value() = default;  // Missing: no value at all, never visible to a template.

  static Value none() { return Value(Kind::kNone); }
  static Value boolean(bool value) {
    Value made(Kind::kBool);
    made.integer_ = value;
    return made;
  }
  static Value integer(int64_t value) {
    Value made(Kind::kInt);
    made.integer_ = value;
    return made;
  }
  static Value number(double value) {
    Value made(Kind::kFloat);
    made.number_ = value;
    return made;
  }
  // The bytes must outlive the rendering.
  static Value string(std::string_view text) {
    Value made(Kind::kString, text.size());
    made.chars_ = text.data();
    return made;
  }
  // A string that is known to be HTML: joining it with plain strings escapes those.
  static Value markup(std::string_view text) {
    Value made = string(text);
    made.is_markup_ = true;
    return made;
  }
  static Value list(std::span<const Value> items) { return sequence(Kind::kList, items); }
  static Value tuple(std::span<const Value> items) { return sequence(Kind::kTuple, items); }
  static Value dict(Dict* dict) {
    Value made(Kind::kDict);
    made.dict_ = dict;
    return made;
  }
  static Value object(Object* object) {
    Value made(Kind::kObject);
    made.object_ = object;
    return made;
  }
  // `text` is the name that was looked up (`owner`: the kind of the value it was looked up in), or the whole
  // reason.
  static Value undefined(Lack lack, std::string_view text, Kind owner = Kind::kMissing) {
    Value made(Kind::kUndefined, text.size());
    made.chars_ = text.data();
    made.lack_ = lack;
    made.owner_ = owner;
    return made;
  }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_missing() const { return kind_ == Kind::kMissing; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_markup() const { return kind_ == Kind::kString && is_markup_; }
  bool is_sequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  bool is_integral() const {
    return kind_ == Kind::kInt || kind_ == Kind::kBool;
  }  // In Python a bool is an int.
  bool is_numeric() const { return is_integral() || kind_ == Kind::kFloat; }

  bool boolean() const { return integer_ != 0; }
  int64_t integer() const { return integer_; }
  double number() const { return kind_ == Kind::kFloat ? number_ : static_cast<double>(integer_); }
  std::string_view text() const { return {chars_, size_}; }
  std::span<const Value> items() const { return {items_, size_}; }
  Dict& dict() const { return *dict_; }
  Object& object() const { return *object_; }
  Lack lack() const { return lack_; }
  Kind owner() const { return owner_; }

  // Python's `is`.
  bool same_as(const Value& other) const {
    return kind_ == other.kind_ && integer_ == other.integer_ && size_ == other.size_;
  }

 private:
  constexpr explicit Value(Kind kind, size_t size = 0) : kind_(kind), size_(static_cast<uint32_t>(size)) {}
  static Value sequence(Kind kind, std::span<const Value> items) {
    Value made(kind, items.size());
    made.items_ = items.data();
    return made;
  }

  Kind kind_ = Kind::kMissing;
  bool is_markup_ = false;
  Lack lack_ = Lack::kVariable;
  Kind owner_ = Kind::kMissing;
  uint32_t size_ = 0;  // Bytes of a string, items of a list or tuple; the limits keep both below 2^32.
  union {
    int64_t integer_ = 0;
    double number_;
    const char* chars_;
    const Value* items_;
    Dict* dict_;
    Object* object_;
  };
};
static_assert(sizeof(Value) == 16);

// What a call passes. Names point into the template or the arena.
struct Named {
  std::string_view name;
  Value value;
};
struct Arguments {
  std::span<const Value> positional;
  std::span<const Named> named;
};

// Filters, tests, methods and global functions all have this form; `self` is the filtered value, tested value
// or receiver.
using Native = Value (*)(Runtime&, Value self, const Arguments&);

struct NativeEntry {
  std::string_view name;
  Native function;
};

}  // namespace poro::jinja
