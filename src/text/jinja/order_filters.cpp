// Filters that sort, group and aggregate.
#include <algorithm>
#include <array>
#include <vector>

#include "text/jinja/arguments.h"
#include "text/jinja/attributes.h"
#include "text/jinja/functions.h"
#include "text/jinja/objects.h"
#include "text/jinja/printing.h"

namespace poro::jinja {
namespace {

Value folded(Runtime& runtime, const Value& value, Case letter_case) {
  return letter_case == Case::kIgnored ? ignore_case(runtime, value) : value;
}

Case case_argument(Runtime& runtime, const Value& case_sensitive) {
  return flag_argument(runtime, case_sensitive, false) ? Case::kSensitive : Case::kIgnored;
}

struct Keyed {
  Value key, value;
};

// Stable in both directions, as Python's sorted() is.
void sort_keyed(Runtime& runtime, std::vector<Keyed>& entries, bool is_reversed) {
  std::stable_sort(entries.begin(), entries.end(), [&](const Keyed& a, const Keyed& b) {
    return is_reversed ? less(runtime, b.key, a.key) : less(runtime, a.key, b.key);
  });
}

Value values_of(Runtime& runtime, const std::vector<Keyed>& entries) {
  const std::span<Value> values = runtime.values(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) values[i] = entries[i].value;
  return Value::list(values);
}

Value sort(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [reverse, case_sensitive, attribute] =
      bind("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const Case letter_case = case_argument(runtime, case_sensitive);
  const std::vector<AttributePath> paths = AttributePath::several(runtime, attribute);
  std::vector<Keyed> entries;
  for (const Value& item : collect(runtime, self)) {
    const std::span<Value> key = runtime.values(paths.size());
    for (size_t i = 0; i < paths.size(); ++i)
      key[i] = folded(runtime, paths[i].of(runtime, item), letter_case);
    entries.push_back({Value::list(key), item});
  }
  sort_keyed(runtime, entries, flag_argument(runtime, reverse, false));
  return values_of(runtime, entries);
}

Value dictsort(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [case_sensitive, by, reverse] = bind("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string_view order = by.is_missing() ? "key" : string_argument("dictsort", by);
  if (order != "key" && order != "value") fail("dictsort sorts by \"key\" or \"value\"");
  if (!defined(self).is(Kind::kDict)) fail("dictsort needs a dict, not a value of type {}", type_name(self));
  const Case letter_case = case_argument(runtime, case_sensitive);
  std::vector<Keyed> entries;
  for (const Dict::Entry& entry : self.dict().entries())
    entries.push_back({folded(runtime, order == "key" ? entry.key : entry.value, letter_case),
                       runtime.tuple(std::array{entry.key, entry.value})});
  sort_keyed(runtime, entries, flag_argument(runtime, reverse, false));
  return values_of(runtime, entries);
}

Value unique(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [case_sensitive, attribute] = bind("unique", arguments, {"case_sensitive", "attribute"});
  const Case letter_case = case_argument(runtime, case_sensitive);
  const AttributePath path(runtime, attribute);
  Dict seen;
  std::vector<Value> kept;
  for (const Value& item : collect(runtime, self)) {
    const Value key = folded(runtime, path.of(runtime, item), letter_case);
    const size_t before = seen.entries().size();
    seen.set(runtime, key, Value::none());
    if (seen.entries().size() > before) kept.push_back(item);
  }
  return Value::object(iterate_items(runtime, runtime.list(kept).items()));
}

template <bool kLargest>
Value extreme(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [case_sensitive, attribute] =
      bind(kLargest ? "max" : "min", arguments, {"case_sensitive", "attribute"});
  const Case letter_case = case_argument(runtime, case_sensitive);
  const AttributePath path(runtime, attribute);
  const std::span<const Value> items = collect(runtime, self);
  if (items.empty())
    return Value::undefined(Lack::kBecause, "an empty sequence has no smallest or largest item");
  Value best = items.front();
  Value best_key = folded(runtime, path.of(runtime, best), letter_case);
  for (const Value& item : items.subspan(1)) {
    const Value key = folded(runtime, path.of(runtime, item), letter_case);
    if (!(kLargest ? compare(runtime, Comparison::kGreater, key, best_key) : less(runtime, key, best_key)))
      continue;
    best = item;
    best_key = key;
  }
  return best;
}

Value sum(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [attribute, start] = bind("sum", arguments, {"attribute", "start"});
  const AttributePath path(runtime, attribute);
  Value total = start.is_missing() ? Value::integer(0) : start;
  if (total.is_string()) fail("sum cannot add strings; use join");
  const std::span<const Value> items = collect(runtime, self);
  runtime.step_items(items.size() * 2);
  for (const Value& item : items) total = add(runtime, total, path.of(runtime, item));
  return total;
}

// (grouper, list), with those names as attributes too.
class Group final : public Object {
 public:
  Group(Value grouper, Value list) : parts_{grouper, list} {}
  std::string_view type_name() const override { return "_GroupTuple"; }
  void write(Runtime& runtime, std::string& out) const override {
    append_repr(runtime, Value::tuple(parts_), out);
  }
  std::optional<Value> attribute(Runtime&, std::string_view name) override {
    if (name == "grouper") return parts_[0];
    if (name == "list") return parts_[1];
    return std::nullopt;
  }
  std::optional<Value> item(Runtime& runtime, const Value& key) override {
    if (!key.is_integral()) return std::nullopt;
    return get_item(runtime, Value::tuple(parts_), key);
  }
  std::optional<int64_t> length(Runtime&) override { return 2; }
  bool is_subscriptable() const override { return true; }
  Iterator* iterate(Runtime& runtime) override { return iterate_items(runtime, parts_); }

 private:
  std::array<Value, 2> parts_;
};

Value groupby(Runtime& runtime, Value self, const Arguments& arguments) {
  const auto [attribute, otherwise, case_sensitive] =
      bind("groupby", arguments, {"attribute", "default", "case_sensitive"});
  const Case letter_case = case_argument(runtime, case_sensitive);
  const AttributePath path(runtime, required("groupby", "attribute", attribute));
  std::vector<Keyed> entries;
  for (const Value& item : collect(runtime, self))
    entries.push_back({folded(runtime, path.of(runtime, item, otherwise), letter_case), item});
  sort_keyed(runtime, entries, false);
  std::vector<Value> groups;
  for (size_t first = 0; first < entries.size();) {
    std::vector<Value> members;
    size_t end = first;
    for (; end < entries.size() && equal(runtime, entries[end].key, entries[first].key); ++end)
      members.push_back(entries[end].value);
    // The name of a group is spelled as its first member spells it.
    const Value grouper = path.of(runtime, members.front(), otherwise);
    groups.push_back(Value::object(runtime.make<Group>(grouper, runtime.list(members))));
    first = std::max(end, first + 1);
  }
  return runtime.list(groups);
}

constexpr NativeEntry kFilters[] = {
    {"dictsort", dictsort}, {"groupby", groupby}, {"max", extreme<true>}, {"min", extreme<false>},
    {"sort", sort},         {"sum", sum},         {"unique", unique},
};

}  // namespace

std::span<const NativeEntry> order_filters() {
  return kFilters;
}

}  // namespace poro::jinja
