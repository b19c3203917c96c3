// The ids of short pieces seen before: a direct-mapped table, one per thread. One entry is one cache line.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "text/vocabulary.h"

namespace poro {

class PieceCache {
 public:
  static constexpr size_t kMaxBytes = 24;  // of a piece
  static constexpr size_t kMaxIds = 8;

  struct alignas(64) Entry {
    uint64_t words[3];
    int32_t ids[kMaxIds];
    uint8_t num_bytes;  // 0: empty
    uint8_t num_ids;
  };
  // A piece as three words; with its length they determine it.
  struct Key {
    uint64_t words[3];
    uint8_t num_bytes;
  };

  // Of a piece that is not empty; longer than kMaxBytes, the key stands for nothing. `readable`: how many
  // bytes may be read from the piece's start.
  static Key key_of(std::string_view piece, size_t readable) {
    const char* at = piece.data();
    const size_t size = piece.size();
    Key key{{0, 0, 0}, static_cast<uint8_t>(size)};
    if (size >= 8) {
      std::memcpy(&key.words[0], at, 8);
      std::memcpy(&key.words[1], at + size - 8, 8);
      if (size > 16) std::memcpy(&key.words[2], at + 8, 8);
    } else if (readable >= 8) {
      std::memcpy(&key.words[0], at, 8);
      key.words[0] &= (uint64_t{1} << (8 * size)) - 1;
    } else {
      std::memcpy(&key.words[0], at, size);
    }
    return key;
  }

  Entry& entry(const Key& key) { return entries_[index_of(key)]; }
  void prefetch(const Key& key) { __builtin_prefetch(&entries_[index_of(key)]); }
  static bool holds(const Entry& entry, const Key& key) {
    return entry.num_bytes == key.num_bytes && entry.words[0] == key.words[0] &&
           entry.words[1] == key.words[1] && entry.words[2] == key.words[2];
  }
  static void put(Entry& entry, const Key& key, const int32_t* ids, size_t num_ids) {
    std::memcpy(entry.words, key.words, sizeof key.words);
    std::memcpy(entry.ids, ids, num_ids * sizeof *ids);
    entry.num_bytes = key.num_bytes;
    entry.num_ids = static_cast<uint8_t>(num_ids);
  }
  void clear() { entries_ = allocate(); }

 private:
  static size_t index_of(const Key& key) {
    const uint64_t hash =
        mix64(key.words[0] ^ 0x9E3779B97F4A7C15, key.words[1] ^ 0xD6E8FEB86659FD93 ^ key.num_bytes) +
        key.words[2] * 0xA24BAED4963EE407;
    return (hash ^ hash >> 32) & (kNumEntries - 1);
  }

  static constexpr size_t kNumEntries = 1 << 17;  // 8 MiB

  // Zeroed memory of the system's, so that only what is used is ever touched.
  struct Free {
    void operator()(Entry* entries) const { ::munmap(entries, kNumEntries * sizeof(Entry)); }
  };
  static std::unique_ptr<Entry[], Free> allocate() {
    void* memory = ::mmap(nullptr, kNumEntries * sizeof(Entry), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED, "no memory for a table of {} pieces", kNumEntries);
    return std::unique_ptr<Entry[], Free>(static_cast<Entry*>(memory));
  }

  std::unique_ptr<Entry[], Free> entries_ = allocate();
};

}  // namespace poro
