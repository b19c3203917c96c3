// The methods of list, tuple, dict, int and float that change nothing.
#include <algorithm>
#include <cmath>

#include "text/jinja/arguments.h"
#include "text/jinja/functions.h"
#include "text/jinja/iterators.h"

namespace poro::jinja {
namespace {

Value sequence_count(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [wanted] = bind("count", arguments, {"value"});
  required("count", "value", wanted);
  int64_t found = 0;
  runtime.step_items(self.items().size());
  for (const Value& item : self.items())
    found += item.same_as(wanted) || equal(runtime, item, wanted) ? 1 : 0;
  return Value::integer(found);
}

Value sequence_index(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [wanted, start, stop] = bind("index", arguments, {"value", "start", "stop"});
  required("index", "value", wanted);
  const int64_t size = static_cast<int64_t>(self.items().size());
  const auto bound = [&](const Value& value, int64_t otherwise) {
    const int64_t given = integer_argument("index", value, otherwise);
    return std::clamp<int64_t>(given < 0 ? given + size : given, 0, size);
  };
  runtime.step_items(self.items().size());
  for (int64_t i = bound(start, 0); i < bound(stop, size); ++i) {
    const Value& item = self.items()[static_cast<size_t>(i)];
    if (item.same_as(wanted) || equal(runtime, item, wanted)) return Value::integer(i);
  }
  fail("the value looked up with index is not in the list");
}

Value copy(Runtime&, Value self, const Arguments& arguments) {
  bind_nothing("copy", arguments);
  return self;
}

template <DictPart kPart>
Value view(Runtime& runtime, Value self, const Arguments& arguments) {
  bind_nothing("this method", arguments);
  return Value::object(runtime.make<DictView>(self.dict(), kPart));
}

Value get(Runtime& runtime, Value self, const Arguments& arguments) {
  if (!arguments.named.empty()) fail("get takes no named arguments");
  const auto [key, otherwise] = bind("get", arguments, {"key", "default"});
  hash(runtime, required("get", "key", key));
  const Value* found = self.dict().find(runtime, key);
  return found != nullptr ? *found : otherwise.is_missing() ? Value::none() : otherwise;
}

Value dict_fromkeys(Runtime& runtime, Value, const Arguments& arguments) {
  const auto [keys, value] = bind("fromkeys", arguments, {"iterable", "value"});
  Dict* dict = runtime.dict();
  for (const Value& key : collect(runtime, required("fromkeys", "iterable", keys)))
    dict->set(runtime, key, value.is_missing() ? Value::none() : value);
  return Value::dict(dict);
}

Value bit_length(Runtime&, Value self, const Arguments& arguments) {
  bind_nothing("bit_length", arguments);
  const uint64_t magnitude =
      self.integer() < 0 ? ~static_cast<uint64_t>(self.integer()) + 1 : static_cast<uint64_t>(self.integer());
  return Value::integer(magnitude == 0 ? 0 : 64 - __builtin_clzll(magnitude));
}

Value is_whole(Runtime&, Value self, const Arguments& arguments) {
  bind_nothing("is_integer", arguments);
  return Value::boolean(std::isfinite(self.number()) && std::floor(self.number()) == self.number());
}

constexpr NativeEntry kListMethods[] = {{"copy", copy}, {"count", sequence_count}, {"index", sequence_index}};
constexpr NativeEntry kTupleMethods[] = {{"count", sequence_count}, {"index", sequence_index}};
constexpr NativeEntry kDictMethods[] = {{"copy", copy},
                                        {"fromkeys", dict_fromkeys},
                                        {"get", get},
                                        {"items", view<DictPart::kItems>},
                                        {"keys", view<DictPart::kKeys>},
                                        {"values", view<DictPart::kValues>}};
constexpr NativeEntry kIntegerMethods[] = {{"bit_length", bit_length}, {"conjugate", copy}};
constexpr NativeEntry kFloatMethods[] = {{"conjugate", copy}, {"is_integer", is_whole}};

constexpr std::string_view kRefusedOfList[] = {"append", "clear",  "extend",  "insert",
                                               "pop",    "remove", "reverse", "sort"};
constexpr std::string_view kRefusedOfDict[] = {"clear", "pop", "popitem", "setdefault", "update"};

Native find(std::span<const NativeEntry> table, std::string_view name) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const NativeEntry& entry) { return entry.name == name; });
  return found == table.end() ? nullptr : found->function;
}

}  // namespace

Native find_list_method(std::string_view name) {
  return find(kListMethods, name);
}
Native find_tuple_method(std::string_view name) {
  return find(kTupleMethods, name);
}
Native find_dict_method(std::string_view name) {
  return find(kDictMethods, name);
}
Native find_number_method(Kind kind, std::string_view name) {
  return kind == Kind::kFloat ? find(kFloatMethods, name) : find(kIntegerMethods, name);
}

bool is_refused_method(Kind kind, std::string_view name) {
  const auto holds = [&](std::span<const std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  return (kind == Kind::kList && holds(kRefusedOfList)) || (kind == Kind::kDict && holds(kRefusedOfDict));
}

}  // namespace poro::jinja
