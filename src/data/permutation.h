// A shuffle without a list: position -> element of [0, n), any position at once, from a key alone. A Feistel
// network over the next even power of two, walked until it lands inside n; rounds by Philox. Black and
// Rogaway, Ciphers with arbitrary finite domains, 2002.
#pragma once

#include <bit>
#include <cstdint>

#include "base/error.h"
#include "base/random.h"

namespace poro {

class Permutation {
 public:
  // Of [0, count). The order depends on `seed` and `stream` alone, on every machine.
  Permutation(int64_t count, uint64_t seed, uint64_t stream)
      : count_(static_cast<uint64_t>(count)), seed_(seed), stream_(stream) {
    CHECK(count > 0, "a permutation of {}", count);
    half_bits_ = (std::bit_width(count_ - 1) + 1) / 2;
    if (half_bits_ == 0) half_bits_ = 1;
  }

  int64_t operator()(int64_t position) const {
    uint64_t value = static_cast<uint64_t>(position);
    CHECK(position >= 0 && value < count_, "position {} of {}", position, count_);
    do value = encrypt(value);
    while (value >= count_);
    return static_cast<int64_t>(value);
  }

 private:
  static constexpr uint64_t kRounds = 6;

  uint64_t encrypt(uint64_t value) const {
    const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
    uint64_t left = value >> half_bits_, right = value & mask;
    for (uint64_t round = 0; round < kRounds; ++round) {
      const auto words = philox(seed_, right | (round << 56), stream_);
      const uint64_t mixed = (left ^ ((uint64_t{words[1]} << 32) | words[0])) & mask;
      left = right;
      right = mixed;
    }
    return (left << half_bits_) | right;
  }

  uint64_t count_, seed_, stream_;
  int half_bits_;
};

}  // namespace poro
