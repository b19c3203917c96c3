// The tokens of a vocabulary as raw bytes: id to bytes by an offset, bytes to id by an open-addressing hash
// table.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace poro {

inline uint64_t mix64(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// A fast hash of bytes, of our own making; not meant to withstand an attacker.
inline uint64_t hash_bytes(std::string_view bytes) {
  constexpr uint64_t kFirst = 0x9E3779B97F4A7C15, kSecond = 0xD6E8FEB86659FD93;
  uint64_t hash = kFirst ^ bytes.size();
  uint64_t word = 0;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    std::memcpy(&word, bytes.data(), 8);
    hash = mix64(hash ^ word, kSecond);
  }
  word = 0;
  std::memcpy(&word, bytes.data(), bytes.size());
  return mix64(hash ^ word, kSecond);
}

class Vocabulary {
 public:
  // Adds a token; false, changing nothing, if the bytes or the id are taken. 0 <= id.
  bool add(std::string_view bytes, int32_t id);
  // The id of a token, or -1.
  int32_t find(std::string_view bytes) const { return find(bytes, hash_bytes(bytes)); }
  // The same with the bytes' hash, which `prefetch` may have been given a while before.
  int32_t find(std::string_view bytes, uint64_t hash) const {
    return slots_.empty() ? -1 : slots_[slot_of(bytes, hash)].id;
  }
  void prefetch(uint64_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
  }
  // Empty for an id without a token.
  std::string_view bytes(int32_t id) const {
    if (!has(id)) return {};
    const Place place = places_[id];
    return {arena_.data() + place.start, place.length};
  }
  bool has(int32_t id) const { return id >= 0 && id < id_limit() && places_[id].is_taken; }
  int32_t id_limit() const { return static_cast<int32_t>(places_.size()); }  // One more than the highest id.
  size_t size() const { return num_tokens_; }

 private:
  struct Place {
    uint64_t start = 0;
    uint32_t length = 0;
    bool is_taken = false;
  };
  struct Slot {
    uint32_t hash;  // Its upper half: tells most other tokens apart without a look at their bytes.
    int32_t id;     // -1: free
  };
  size_t slot_of(std::string_view bytes,
                 uint64_t hash) const;  // The token's slot, or the free one where it belongs.
  void grow();

  std::string arena_;
  std::vector<Place> places_;  // By id.
  std::vector<Slot> slots_;    // A power of two, at most half full.
  size_t num_tokens_ = 0;
};

}  // namespace poro
