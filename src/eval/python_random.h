// Python's random.Random, as far as public scorers draw from it: alpaca_eval tosses a coin for which answer a
// judge sees first, lm-evaluation-harness draws the examples before a question. To ask what they ask, the
// same numbers must come. A Mersenne Twister (Matsumoto and Nishimura 1998, init_by_array).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace poro::python {

class Random {
 public:
  // random.Random(number) and random.Random(text).
  explicit Random(uint32_t seed);
  explicit Random(std::string_view seed);

  // choices([False, True])[0].
  bool coin();
  // The indices that sample(population, count) draws. count must be at most the population's size.
  struct Sample {
    size_t population, count;
  };
  std::vector<size_t> sample(Sample sample);

 private:
  static constexpr size_t kSize = 624;

  void seed_by(const std::vector<uint32_t>& key);
  uint32_t word();
  size_t below(size_t limit);  // randrange(limit), limit at most 2^32 - 1.

  std::array<uint32_t, kSize> state_{};
  size_t next_ = kSize;
};

}  // namespace poro::python
