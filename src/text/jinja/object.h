// What is neither a number, text, list nor dict: ranges, iterators, namespaces, macros, functions, the loop
// variable. Each says what Python code could do with it; everything else is refused, and that is the sandbox.
#pragma once

#include <optional>
#include <string>

#include "text/jinja/value.h"

namespace poro::jinja {

class Iterator;

class Object {
 public:
  virtual std::string_view type_name() const = 0;                    // As Python's messages name it.
  virtual void write(Runtime& runtime, std::string& out) const = 0;  // str() and repr()
  virtual std::optional<Value> attribute(Runtime&, std::string_view) { return std::nullopt; }
  virtual std::optional<Value> item(Runtime&, const Value&) { return std::nullopt; }
  virtual std::optional<int64_t> length(Runtime&) { return std::nullopt; }
  virtual bool is_subscriptable() const { return false; }
  virtual bool is_mapping() const { return false; }
  virtual Iterator* iterate(Runtime&) { return nullptr; }            // Null: not iterable.
  virtual Iterator* iterate_backwards(Runtime&) { return nullptr; }  // Null: not reversible.
  virtual std::optional<bool> contains(Runtime&, const Value&) {
    return std::nullopt;
  }  // Empty: search by iterating.
  virtual bool equals(Runtime&, const Object& other) const { return this == &other; }
  virtual bool is_callable() const { return false; }
  virtual Value call(Runtime& runtime, const Arguments&);  // Throws: not callable.

 protected:
  ~Object() = default;  // Objects live in the arena, which runs no destructors.
};

// Gives values one after another, once.
class Iterator : public Object {
 public:
  virtual bool next(Runtime& runtime, Value& out) = 0;  // False at the end.
  std::string_view type_name() const override { return "generator"; }
  void write(Runtime&, std::string& out) const override { out += "<generator object>"; }
  Iterator* iterate(Runtime&) override { return this; }

 protected:
  ~Iterator() = default;
};

}  // namespace poro::jinja
