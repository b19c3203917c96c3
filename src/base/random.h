// Counter-based random numbers: the value is a pure function of key and counter, so streams can be split,
// skipped and resumed without state. Philox4x32-10: Salmon et al., Parallel random numbers: as easy as 1, 2,
// 3, 2011.
#pragma once

#include <array>
#include <cstdint>

namespace poro {

// Four random words for one counter value.
constexpr std::array<uint32_t, 4> philox(uint64_t key, uint64_t counter, uint64_t stream = 0) {
  uint32_t c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32);
  uint32_t c2 = static_cast<uint32_t>(stream), c3 = static_cast<uint32_t>(stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * c0, b = uint64_t{0xCD9E8D57u} * c2;
    const uint32_t old_c1 = c1, old_c3 = c3;
    c0 = static_cast<uint32_t>(b >> 32) ^ old_c1 ^ k0;
    c1 = static_cast<uint32_t>(b);
    c2 = static_cast<uint32_t>(a >> 32) ^ old_c3 ^ k1;
    c3 = static_cast<uint32_t>(a);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {c0, c1, c2, c3};
}

// A stream of random numbers whose whole state is a seed and a position.
class Random {
 public:
  explicit Random(uint64_t seed, uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  // Uniform in [0, 1), 53 bits.
  double uniform() {
    const std::array<uint32_t, 4> words = philox(seed_, position_++, stream_);
    return static_cast<double>(((uint64_t{words[0]} << 32) | words[1]) >> 11) * 0x1.0p-53;
  }
  uint64_t position() const { return position_; }

 private:
  uint64_t seed_, stream_;
  uint64_t position_ = 0;
};

}  // namespace poro
