// About normal numbers from a counter-based generator, the same bits on every device: the weights of
// benchmarks, tests, and of models that begin from nothing. Each is the sum of four uniform bytes, scaled.
#pragma once

#include "base/random.h"
#include "ops/op.h"

namespace poro {

struct RandomFill {
  Tensor to;  // (N) bf16
  uint64_t seed = 0, stream = 0;
};
PORO_OP(RandomFill);

constexpr float kRandomFillDeviation = 0.02f;

// Element i of a tensor, from words[i % 4] of philox(seed, i / 4, stream).
constexpr float random_fill_value(uint32_t word) {
  constexpr float kByteSumDeviation = 147.8f;  // sqrt(4 * (256^2 - 1) / 12)
  const uint32_t sum = (word & 255u) + ((word >> 8) & 255u) + ((word >> 16) & 255u) + (word >> 24);
  return (static_cast<float>(sum) - 510.0f) * (kRandomFillDeviation / kByteSumDeviation);
}

}  // namespace poro
