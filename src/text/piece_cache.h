// The ids of short pieces seen before: a direct-mapped table, one per thread. One entry is one cache line.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <array>
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
    std::array<uint64_t, 3> words;
    int32_t ids[kMaxIds];
    uint8_t num_bytes;  // 0: empty
    uint8_t num_ids;
  };
  // A piece as three words; with its length they determine it.
  struct Key {
    std::array<uint64_t, 3> words;
    uint8_t num_bytes;
  };

  // Of a piece that is not empty; longer than kMaxBytes, the key stands for nothing. `readable`: how many
  // bytes may be read from the piece's start.
  static Key key_of(std::string_view piece, size_t readable) {
    Key key;
    const size_t size = std::min(piece.size(), kMaxBytes);
    if (readable >= kMaxBytes) [[likely]] {
      static constexpr auto kMask = [] {
        std::array<uint8_t, 2 * kMaxBytes> bytes{};
        for (size_t i = 0; i < kMaxBytes; ++i) bytes[i] = 0xFF;
        return bytes;
      }();
      std::array<uint64_t, 3> mask;
      std::memcpy(key.words.data(), piece.data(), kMaxBytes);
      std::memcpy(mask.data(), kMask.data() + kMaxBytes - size, kMaxBytes);
      for (size_t i = 0; i < mask.size(); ++i) key.words[i] &= mask[i];
    } else {
      key.words = {};
      std::memcpy(key.words.data(), piece.data(), size);
    }
    key.num_bytes = static_cast<uint8_t>(size);
    return key;
  }

  Entry& entry(const Key& key) { return entries_[index_of(key)]; }
  void prefetch(const Key& key) { __builtin_prefetch(&entries_[index_of(key)]); }
  static bool holds(const Entry& entry, const Key& key) {
    return (static_cast<uint64_t>(entry.num_bytes ^ key.num_bytes) | (entry.words[0] ^ key.words[0]) |
            (entry.words[1] ^ key.words[1]) | (entry.words[2] ^ key.words[2])) == 0;
  }
  static void put(Entry& entry, const Key& key, const int32_t* ids, size_t num_ids) {
    entry.words = key.words;
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

  // Memory of the system's, zeroed, so that only what is used is ever touched; in huge pages where there are
  // any, for it is read at random.
  struct Free {
    void* mapping;
    void operator()(Entry*) const { ::munmap(mapping, kMappedBytes); }
  };
  static constexpr size_t kHugePage = size_t{2} << 20, kMappedBytes = kNumEntries * sizeof(Entry) + kHugePage;

  static std::unique_ptr<Entry[], Free> allocate() {
    void* const mapping =
        ::mmap(nullptr, kMappedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mapping != MAP_FAILED, "no memory for a table of {} pieces", kNumEntries);
    void* entries = mapping;
    size_t space = kMappedBytes;
    std::align(kHugePage, kMappedBytes - kHugePage, entries, space);
    ::madvise(entries, kNumEntries * sizeof(Entry), MADV_HUGEPAGE);  // Advice: it may fail.
    return {static_cast<Entry*>(entries), Free{mapping}};
  }

  std::unique_ptr<Entry[], Free> entries_ = allocate();
};

}  // namespace poro
