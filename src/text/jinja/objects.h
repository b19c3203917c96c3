// The objects a template makes for itself: namespaces, macros, the loop variable.
#pragma once

#include "text/jinja/ast.h"
#include "text/jinja/object.h"
#include "text/jinja/runtime.h"

namespace poro::jinja {

// The one thing that changes: its attributes are set with `set name.attribute = ...`.
class Namespace final : public Object {
 public:
  explicit Namespace(Dict* attributes) : attributes_(attributes) {}
  std::string_view type_name() const override { return "Namespace"; }
  void write(Runtime& runtime, std::string& out) const override;
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;
  void set(Runtime& runtime, std::string_view name, Value value);

 private:
  Dict* attributes_;
};

// A macro, or the body of a call block, with the variables around it.
class MacroObject final : public Object {
 public:
  MacroObject(const MacroCode& code, Activation* around) : code_(&code), around_(around) {}
  std::string_view type_name() const override { return "Macro"; }
  void write(Runtime& runtime, std::string& out) const override;
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;
  bool is_callable() const override { return true; }
  Value call(Runtime& runtime, const Arguments& arguments) override;

 private:
  void bind_parameters(Runtime& runtime, const Arguments& arguments, Activation& activation) const;

  const MacroCode* code_;
  Activation* around_;
};

// `loop` inside a for.
class LoopObject final : public Object {
 public:
  LoopObject(const For& loop, Value values, Iterator* iterator, int level, Activation* around)
      : loop_(&loop), values_(values), iterator_(iterator), level_(level), around_(around) {}
  std::string_view type_name() const override { return "LoopContext"; }
  void write(Runtime& runtime, std::string& out) const override;
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;
  std::optional<int64_t> length(Runtime& runtime) override;
  bool is_callable() const override { return true; }
  Value call(Runtime& runtime, const Arguments& arguments) override;

  bool advance(Runtime& runtime, Value& item);
  Value cycle(Runtime& runtime, const Arguments& arguments) const;
  bool changed(Runtime& runtime, const Arguments& arguments);

 private:
  const Value& peek(Runtime& runtime);

  const For* loop_;
  Value values_;
  Iterator* iterator_;
  int level_;           // From 0, in a recursive loop.
  Activation* around_;  // Of a recursive loop: where it was written.
  int64_t index0_ = -1, length_ = -1;
  Value before_, current_, after_, last_changed_;
};

}  // namespace poro::jinja
