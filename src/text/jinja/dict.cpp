#include "text/jinja/dict.h"

#include <algorithm>
#include <cstring>

#include "text/jinja/operations.h"
#include "text/jinja/runtime.h"

namespace poro::jinja {

void Dict::reserve(Runtime& runtime, size_t capacity) {
  if (capacity <= capacity_) return;
  if (capacity > kMaxBytes / sizeof(Entry)) fail("the template makes a dict of {} entries", capacity);
  auto* entries = static_cast<Entry*>(runtime.arena().allocate(capacity * sizeof(Entry)));
  std::copy(entries_, entries_ + size_, entries);
  entries_ = entries;
  capacity_ = static_cast<uint32_t>(capacity);
}

void Dict::index_entry(uint32_t entry, uint64_t hash) {
  uint32_t at = static_cast<uint32_t>(hash) & (index_size_ - 1);
  while (index_[at] != 0) at = (at + 1) & (index_size_ - 1);
  index_[at] = entry + 1;
}

void Dict::set(Runtime& runtime, Value key, Value value) {
  const uint64_t key_hash = hash(runtime, key);
  if (Entry* known = locate(runtime, key)) {
    known->value = value;
    return;
  }
  if (size_ == capacity_) reserve(runtime, std::max<size_t>(4, size_t{capacity_} * 2));
  entries_[size_++] = {key, value};
  if (size_ < kIndexedFrom) return;
  if (size_ * 2 <= index_size_) return index_entry(size_ - 1, key_hash);
  index_size_ = std::max<uint32_t>(32, index_size_ * 2);
  index_ = static_cast<uint32_t*>(runtime.arena().allocate(index_size_ * sizeof(uint32_t)));
  std::memset(index_, 0, index_size_ * sizeof(uint32_t));
  for (uint32_t i = 0; i < size_; ++i) index_entry(i, hash(runtime, entries_[i].key));
}

Dict::Entry* Dict::locate(Runtime& runtime, const Value& key) const {
  if (index_ == nullptr) {
    for (uint32_t i = 0; i < size_; ++i)
      if (equal(runtime, entries_[i].key, key)) return &entries_[i];
    return nullptr;
  }
  for (uint32_t at = static_cast<uint32_t>(hash(runtime, key)) & (index_size_ - 1); index_[at] != 0;
       at = (at + 1) & (index_size_ - 1)) {
    Entry& entry = entries_[index_[at] - 1];
    if (equal(runtime, entry.key, key)) return &entry;
  }
  return nullptr;
}

const Value* Dict::find(Runtime& runtime, const Value& key) const {
  const Entry* entry = locate(runtime, key);
  return entry == nullptr ? nullptr : &entry->value;
}

const Value* Dict::find(Runtime& runtime, std::string_view key) const {
  if (index_ != nullptr) return find(runtime, Value::string(key));
  for (uint32_t i = 0; i < size_; ++i)
    if (entries_[i].key.is_string() && entries_[i].key.text() == key) return &entries_[i].value;
  return nullptr;
}

}  // namespace poro::jinja
