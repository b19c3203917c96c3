#include "eval/python_random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <string>
#include <unordered_set>

#include "base/digest.h"
#include "base/error.h"

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

}  // namespace

Random::Random(uint32_t seed) {
  seed_by({seed});
}

// The text and its SHA-512 are one big number.
Random::Random(std::string_view seed) {
  Digest digest(Digest::Kind::kSha512);
  digest.update(seed);
  seed_by(words_of(std::string(seed) + digest.bytes()));
}

void Random::seed_by(const std::vector<uint32_t>& key) {
  state_[0] = 19650218u;
  for (uint32_t i = 1; i < kSize; ++i) state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  const auto mixed = [&](size_t at) { return state_[at] ^ (state_[at] >> 30); };
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

uint32_t Random::word() {
  constexpr size_t kMiddle = 397;
  if (next_ == kSize) {
    for (size_t i = 0; i < kSize; ++i) {
      const uint32_t joined = (state_[i] & 0x80000000u) | (state_[(i + 1) % kSize] & 0x7FFFFFFFu);
      state_[i] = state_[(i + kMiddle) % kSize] ^ (joined >> 1) ^ ((joined & 1u) != 0 ? 0x9908B0DFu : 0u);
    }
    next_ = 0;
  }
  uint32_t word = state_[next_++];
  word ^= word >> 11;
  word ^= word << 7 & 0x9D2C5680u;
  word ^= word << 15 & 0xEFC60000u;
  return word ^ (word >> 18);
}

bool Random::coin() {
  const bool is_upper_half = word() >> 31 != 0;  // Of random(), whose lower bits come from a second word.
  word();
  return is_upper_half;
}

size_t Random::below(size_t limit) {
  const int bits = std::bit_width(limit);
  while (true) {
    const size_t drawn = word() >> (32 - bits);
    if (drawn < limit) return drawn;
  }
}

std::vector<size_t> Random::sample(Sample sample) {
  const auto [population, count] = sample;
  CHECK(count <= population && population < (size_t{1} << 32), "{} of {}", count, population);
  // Below this size the original moves drawn items aside in a list, above it remembers them in a set.
  size_t set_size = 21;
  if (count > 5)
    set_size +=
        static_cast<size_t>(std::pow(4, std::ceil(std::log(static_cast<double>(count) * 3) / std::log(4.0))));
  std::vector<size_t> drawn;
  if (population <= set_size) {
    std::vector<size_t> pool(population);
    std::iota(pool.begin(), pool.end(), size_t{0});
    for (size_t i = 0; i < count; ++i) {
      const size_t at = below(population - i);
      drawn.push_back(pool[at]);
      pool[at] = pool[population - i - 1];
    }
    return drawn;
  }
  std::unordered_set<size_t> taken;
  while (drawn.size() < count)
    if (const size_t at = below(population); taken.insert(at).second) drawn.push_back(at);
  return drawn;
}

}  // namespace poro::python
