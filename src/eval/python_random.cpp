#include "eval/python_random.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "base/digest.h"

namespace poro::python {
namespace {

// The big-endian number of the bytes as 32-bit words, lowest first, without leading zeros.
std::vector<uint32_t> words_of(std::string_view bytes) {
  std::vector<uint32_t> words((bytes.size() + 3) / 4);
  for (size_t i = 0; i < bytes.size(); ++i)
    words[i / 4] |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[bytes.size() - 1 - i])) << (i % 4 * 8);
  while (words.size() > 1 && words.back() == 0) words.pop_back();
  return words;
}

class MersenneTwister {
 public:
  explicit MersenneTwister(const std::vector<uint32_t>& key) {
    state_[0] = 19650218u;
    for (uint32_t i = 1; i < kSize; ++i)
      state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
    size_t i = 1, j = 0;
    const auto step = [&] {
      if (++i < kSize) return;
      state_[0] = state_[kSize - 1];
      i = 1;
    };
    for (size_t round = std::max(kSize, key.size()); round > 0; --round) {
      state_[i] = (state_[i] ^ (mixed(i - 1) * 1664525u)) + key[j] + static_cast<uint32_t>(j);
      step();
      j = (j + 1) % key.size();
    }
    for (size_t round = kSize - 1; round > 0; --round) {
      state_[i] = (state_[i] ^ (mixed(i - 1) * 1566083941u)) - static_cast<uint32_t>(i);
      step();
    }
    state_[0] = 0x80000000u;
  }

  // The first word it gives.
  uint32_t first() const {
    constexpr size_t kMiddle = 397;
    const uint32_t joined = (state_[0] & 0x80000000u) | (state_[1] & 0x7FFFFFFFu);
    uint32_t word = state_[kMiddle] ^ (joined >> 1) ^ ((joined & 1u) != 0 ? 0x9908B0DFu : 0u);
    word ^= word >> 11;
    word ^= word << 7 & 0x9D2C5680u;
    word ^= word << 15 & 0xEFC60000u;
    return word ^ (word >> 18);
  }

 private:
  static constexpr size_t kSize = 624;

  uint32_t mixed(size_t at) const { return state_[at] ^ (state_[at] >> 30); }

  std::array<uint32_t, kSize> state_;
};

}  // namespace

bool seeded_coin(std::string_view seed) {
  Digest digest(Digest::Kind::kSha512);
  digest.update(seed);
  const MersenneTwister twister(words_of(std::string(seed) + digest.bytes()));
  return twister.first() >> 31 != 0;  // random() is at least one half.
}

}  // namespace poro::python
