// The iterators over built-in values, and the objects ranges and dict views are.
#pragma once

#include "text/jinja/object.h"
#include "text/jinja/runtime.h"

namespace poro::jinja {

class ItemsIterator final : public Iterator {
 public:
  explicit ItemsIterator(std::span<const Value> items) : items_(items) {}
  bool next(Runtime& runtime, Value& out) override;

 private:
  std::span<const Value> items_;
};

class ReverseItemsIterator final : public Iterator {
 public:
  explicit ReverseItemsIterator(std::span<const Value> items) : items_(items) {}
  std::string_view type_name() const override { return "list_reverseiterator"; }
  bool next(Runtime& runtime, Value& out) override;

 private:
  std::span<const Value> items_;
};

class CharactersIterator final : public Iterator {
 public:
  explicit CharactersIterator(std::string_view text) : text_(text) {}
  bool next(Runtime& runtime, Value& out) override;

 private:
  std::string_view text_;
  size_t at_ = 0;
};

enum class DictPart : uint8_t { kKeys, kValues, kItems };

class DictIterator final : public Iterator {
 public:
  DictIterator(const Dict& dict, DictPart part) : dict_(&dict), part_(part) {}
  bool next(Runtime& runtime, Value& out) override;

 private:
  const Dict* dict_;
  DictPart part_;
  size_t at_ = 0;
};

class DictView final : public Object {
 public:
  DictView(const Dict& dict, DictPart part) : dict_(&dict), part_(part) {}
  std::string_view type_name() const override;
  void write(Runtime& runtime, std::string& out) const override;
  std::optional<int64_t> length(Runtime&) override { return static_cast<int64_t>(dict_->entries().size()); }
  Iterator* iterate(Runtime& runtime) override { return runtime.make<DictIterator>(*dict_, part_); }
  Iterator* iterate_backwards(Runtime& runtime) override;
  std::optional<bool> contains(Runtime& runtime, const Value& item) override;

 private:
  const Dict* dict_;
  DictPart part_;
};

struct RangeBounds {
  int64_t start = 0, stop = 0, step = 1;
  int64_t count() const;
  int64_t at(int64_t index) const { return start + index * step; }
};

class Range final : public Object {
 public:
  explicit Range(RangeBounds bounds) : bounds_(bounds), count_(bounds.count()) {}
  std::string_view type_name() const override { return "range"; }
  void write(Runtime& runtime, std::string& out) const override;
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;
  std::optional<Value> item(Runtime& runtime, const Value& key) override;
  std::optional<int64_t> length(Runtime&) override { return count_; }
  bool is_subscriptable() const override { return true; }
  Iterator* iterate(Runtime& runtime) override;
  Iterator* iterate_backwards(Runtime& runtime) override;
  std::optional<bool> contains(Runtime& runtime, const Value& item) override;
  bool equals(Runtime& runtime, const Object& other) const override;
  Value slice(Runtime& runtime, const RangeBounds& indices) const;

 private:
  RangeBounds bounds_;
  int64_t count_;
};

class RangeIterator final : public Iterator {
 public:
  explicit RangeIterator(RangeBounds bounds) : bounds_(bounds), count_(bounds.count()) {}
  bool next(Runtime& runtime, Value& out) override;

 private:
  RangeBounds bounds_;
  int64_t count_, at_ = 0;
};

}  // namespace poro::jinja
