// A dict: entries in the order they were first set, found by hash once there are more than a few.
#pragma once

#include "text/jinja/value.h"

namespace poro::jinja {

class Dict {
 public:
  struct Entry {
    Value key, value;
  };

  // Replaces the value of an equal key, as Python does, keeping the first key. Throws Error for a key that
  // cannot be hashed.
  void set(Runtime& runtime, Value key, Value value);
  // Null when there is none. 1, 1.0 and true are the same key.
  const Value* find(Runtime& runtime, const Value& key) const;
  const Value* find(Runtime& runtime, std::string_view key) const;
  std::span<const Entry> entries() const { return {entries_, size_}; }
  void reserve(Runtime& runtime, size_t capacity);

 private:
  static constexpr uint32_t kIndexedFrom = 9;  // Below, comparing the few keys is quicker than hashing.

  Entry* locate(Runtime& runtime, const Value& key) const;
  void index_entry(uint32_t entry, uint64_t hash);

  Entry* entries_ = nullptr;
  uint32_t* index_ = nullptr;  // Open addressing: entry + 1, or 0.
  uint32_t size_ = 0, capacity_ = 0, index_size_ = 0;
};

}  // namespace poro::jinja
