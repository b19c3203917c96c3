// The global functions of a template, and the objects they make.
#include <ctime>

#include "text/jinja/arguments.h"
#include "text/jinja/functions.h"
#include "text/jinja/iterators.h"
#include "text/jinja/objects.h"
#include "text/jinja/printing.h"

namespace poro::jinja {
namespace {

class Function final : public Object {
 public:
  Function(std::string_view name, Native function) : name_(name), function_(function) {}
  std::string_view type_name() const override { return "function"; }
  void write(Runtime&, std::string& out) const override { out += fmt::format("<function {}>", name_); }
  bool is_callable() const override { return true; }
  Value call(Runtime& runtime, const Arguments& arguments) override {
    return function_(runtime, Value(), arguments);
  }

 private:
  std::string_view name_;
  Native function_;
};

class Cycler final : public Object {
 public:
  explicit Cycler(std::span<const Value> items) : items_(items) {}
  std::string_view type_name() const override { return "Cycler"; }
  void write(Runtime&, std::string& out) const override { out += "<Cycler>"; }
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;

  Value next() { return items_[at_++ % items_.size()]; }
  void reset() { at_ = 0; }

 private:
  std::span<const Value> items_;
  size_t at_ = 0;
};

Value cycler_next(Runtime&, Value self, const Arguments& arguments) {
  bind_nothing("next", arguments);
  return static_cast<Cycler&>(self.object()).next();
}

Value cycler_reset(Runtime&, Value self, const Arguments& arguments) {
  bind_nothing("reset", arguments);
  static_cast<Cycler&>(self.object()).reset();
  return Value::none();
}

std::optional<Value> Cycler::attribute(Runtime& runtime, std::string_view name) {
  if (name == "current") return items_[at_ % items_.size()];
  if (name == "pos") return Value::integer(static_cast<int64_t>(at_ % items_.size()));
  if (name == "items") return Value::tuple(items_);
  if (name == "next") return native_method(runtime, Value::object(this), cycler_next, name);
  if (name == "reset") return native_method(runtime, Value::object(this), cycler_reset, name);
  return std::nullopt;
}

class Joiner final : public Object {
 public:
  explicit Joiner(Value separator) : separator_(separator) {}
  std::string_view type_name() const override { return "Joiner"; }
  void write(Runtime&, std::string& out) const override { out += "<Joiner>"; }
  std::optional<Value> attribute(Runtime&, std::string_view name) override {
    if (name == "sep") return separator_;
    if (name == "used") return Value::boolean(is_used_);
    return std::nullopt;
  }
  bool is_callable() const override { return true; }
  Value call(Runtime&, const Arguments& arguments) override {
    bind_nothing("joiner", arguments);
    return std::exchange(is_used_, true) ? separator_ : Value::string("");
  }

 private:
  Value separator_;
  bool is_used_ = false;
};

Value range(Runtime& runtime, Value, const Arguments& arguments) {
  if (!arguments.named.empty()) fail("range takes no named arguments");
  const auto [first, second, third] = bind("range", arguments, {"start", "stop", "step"});
  RangeBounds bounds;
  bounds.stop = integer_argument("range", required("range", "stop", first));
  if (!second.is_missing()) {
    bounds.start = bounds.stop;
    bounds.stop = integer_argument("range", second);
  }
  bounds.step = integer_argument("range", third, 1);
  if (bounds.step == 0) fail("the step of a range cannot be 0");
  if (bounds.count() < 0 || bounds.count() > kMaxRange)
    fail("a range of more than {} numbers is refused", kMaxRange);
  return Value::object(runtime.make<Range>(bounds));
}

// dict(mapping or pairs, name=value, ...), which namespace takes too.
Dict* make_dict(Runtime& runtime, std::string_view what, const Arguments& arguments) {
  Dict* dict = runtime.dict();
  if (arguments.positional.size() > 1) fail("{} takes at most 1 positional argument", what);
  if (!arguments.positional.empty()) {
    const Value& source = defined(arguments.positional[0]);
    if (source.is(Kind::kDict)) {
      for (const auto& [key, value] : source.dict().entries()) dict->set(runtime, key, value);
    } else {
      for (const Value& item : collect(runtime, source)) {
        const std::span<const Value> pair = collect(runtime, item);
        if (pair.size() != 2) fail("{} needs pairs of a key and a value", what);
        dict->set(runtime, pair[0], pair[1]);
      }
    }
  }
  for (const Named& argument : arguments.named)
    dict->set(runtime, Value::string(argument.name), argument.value);
  return dict;
}

Value dict(Runtime& runtime, Value, const Arguments& arguments) {
  return Value::dict(make_dict(runtime, "dict", arguments));
}

Value make_namespace(Runtime& runtime, Value, const Arguments& arguments) {
  return Value::object(runtime.make<Namespace>(make_dict(runtime, "namespace", arguments)));
}

Value cycler(Runtime& runtime, Value, const Arguments& arguments) {
  if (!arguments.named.empty() || arguments.positional.empty())
    fail("cycler needs the values to cycle through");
  return Value::object(runtime.make<Cycler>(arguments.positional));
}

Value joiner(Runtime& runtime, Value, const Arguments& arguments) {
  const auto [separator] = bind("joiner", arguments, {"sep"});
  return Value::object(runtime.make<Joiner>(separator.is_missing() ? Value::string(", ") : separator));
}

Value raise_exception(Runtime& runtime, Value, const Arguments& arguments) {
  const auto [message] = bind("raise_exception", arguments, {"message"});
  fail("{}", str(runtime, required("raise_exception", "message", message)));
}

Value strftime_now(Runtime& runtime, Value, const Arguments& arguments) {
  const auto [format] = bind("strftime_now", arguments, {"format"});
  const std::string pattern(string_argument("strftime_now", required("strftime_now", "format", format)));
  if (pattern.size() > 1000) fail("the format of strftime_now is longer than 1000 bytes");
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char buffer[16384];
  return runtime.string({buffer, std::strftime(buffer, sizeof buffer, pattern.c_str(), &local)});
}

constexpr NativeEntry kGlobals[] = {
    {"cycler", cycler},
    {"dict", dict},
    {"joiner", joiner},
    {"namespace", make_namespace},
    {"raise_exception", raise_exception},
    {"range", range},
    {"strftime_now", strftime_now},
};

}  // namespace

void Namespace::write(Runtime& runtime, std::string& out) const {
  out += "<Namespace ";
  append_repr(runtime, Value::dict(attributes_), out);
  out += '>';
}

std::optional<Value> Namespace::attribute(Runtime& runtime, std::string_view name) {
  const Value* found = attributes_->find(runtime, name);
  return found == nullptr ? std::nullopt : std::optional(*found);
}

void Namespace::set(Runtime& runtime, std::string_view name, Value value) {
  attributes_->set(runtime, Value::string(name), value);
}

void add_globals(Runtime& runtime, Dict& variables) {
  for (const NativeEntry& entry : kGlobals)
    variables.set(runtime, Value::string(entry.name),
                  Value::object(runtime.make<Function>(entry.name, entry.function)));
}

}  // namespace poro::jinja
