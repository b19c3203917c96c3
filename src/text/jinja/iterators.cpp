#include "text/jinja/iterators.h"

#include <array>

#include "text/jinja/operations.h"
#include "text/jinja/printing.h"
#include "text/jinja/unicode.h"

namespace poro::jinja {
namespace {

Value part_of(Runtime& runtime, const Dict::Entry& entry, DictPart part) {
  if (part == DictPart::kKeys) return entry.key;
  if (part == DictPart::kValues) return entry.value;
  return runtime.tuple(std::array{entry.key, entry.value});
}

}  // namespace

bool ItemsIterator::next(Runtime& runtime, Value& out) {
  runtime.step();
  if (items_.empty()) return false;
  out = items_.front();
  items_ = items_.subspan(1);
  return true;
}

bool ReverseItemsIterator::next(Runtime& runtime, Value& out) {
  runtime.step();
  if (items_.empty()) return false;
  out = items_.back();
  items_ = items_.first(items_.size() - 1);
  return true;
}

bool CharactersIterator::next(Runtime& runtime, Value& out) {
  runtime.step();
  if (at_ == text_.size()) return false;
  const size_t start = at_;
  next_character(text_, at_);
  out = Value::string(text_.substr(start, at_ - start));
  return true;
}

bool DictIterator::next(Runtime& runtime, Value& out) {
  runtime.step();
  if (at_ == dict_->entries().size()) return false;
  out = part_of(runtime, dict_->entries()[at_++], part_);
  return true;
}

std::string_view DictView::type_name() const {
  return part_ == DictPart::kKeys ? "dict_keys" : part_ == DictPart::kValues ? "dict_values" : "dict_items";
}

void DictView::write(Runtime& runtime, std::string& out) const {
  out += type_name();
  out += '(';
  append_repr(runtime, Value::list(collect(runtime, Value::object(const_cast<DictView*>(this)))), out);
  out += ')';
}

Iterator* DictView::iterate_backwards(Runtime& runtime) {
  return runtime.make<ReverseItemsIterator>(collect(runtime, Value::object(this)));
}

std::optional<bool> DictView::contains(Runtime& runtime, const Value& item) {
  if (part_ == DictPart::kKeys) {
    hash(runtime, item);
    return dict_->find(runtime, item) != nullptr;
  }
  return std::nullopt;
}

int64_t RangeBounds::count() const {
  if (step > 0 ? start >= stop : start <= stop) return 0;
  // Unsigned, as the distance between two 64-bit integers may not fit in one.
  const uint64_t distance = step > 0 ? static_cast<uint64_t>(stop) - static_cast<uint64_t>(start)
                                     : static_cast<uint64_t>(start) - static_cast<uint64_t>(stop);
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : ~static_cast<uint64_t>(step) + 1;
  return static_cast<int64_t>((distance - 1) / stride + 1);
}

void Range::write(Runtime&, std::string& out) const {
  out += fmt::format("range({}, {}", bounds_.start, bounds_.stop);
  if (bounds_.step != 1) out += fmt::format(", {}", bounds_.step);
  out += ')';
}

std::optional<Value> Range::attribute(Runtime&, std::string_view name) {
  if (name == "start") return Value::integer(bounds_.start);
  if (name == "stop") return Value::integer(bounds_.stop);
  if (name == "step") return Value::integer(bounds_.step);
  return std::nullopt;
}

std::optional<Value> Range::item(Runtime&, const Value& key) {
  if (!key.is_integral()) return std::nullopt;
  const int64_t index = key.integer() < 0 ? key.integer() + count_ : key.integer();
  if (index < 0 || index >= count_) return std::nullopt;
  return Value::integer(bounds_.at(index));
}

Iterator* Range::iterate(Runtime& runtime) {
  return runtime.make<RangeIterator>(bounds_);
}

Iterator* Range::iterate_backwards(Runtime& runtime) {
  if (count_ == 0) return iterate(runtime);
  return runtime.make<RangeIterator>(
      RangeBounds{bounds_.at(count_ - 1), bounds_.start - bounds_.step, -bounds_.step});
}

std::optional<bool> Range::contains(Runtime&, const Value& item) {
  if (!item.is_integral()) return std::nullopt;
  const int64_t distance = item.integer() - bounds_.start;
  return distance % bounds_.step == 0 && distance / bounds_.step >= 0 && distance / bounds_.step < count_;
}

bool Range::equals(Runtime&, const Object& other) const {
  const auto* range = dynamic_cast<const Range*>(&other);
  return range != nullptr && count_ == range->count_ &&
         (count_ == 0 ||
          (bounds_.start == range->bounds_.start && (count_ == 1 || bounds_.step == range->bounds_.step)));
}

Value Range::slice(Runtime& runtime, const RangeBounds& indices) const {
  return Value::object(runtime.make<Range>(
      RangeBounds{bounds_.at(indices.start), bounds_.at(indices.stop), bounds_.step * indices.step}));
}

bool RangeIterator::next(Runtime& runtime, Value& out) {
  runtime.step();
  if (at_ == count_) return false;
  out = Value::integer(bounds_.at(at_++));
  return true;
}

}  // namespace poro::jinja
