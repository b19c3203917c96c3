// Rounding to bf16 by chance: up with the probability that makes the result right on average. The chance is a
// counter-based random number, so that a resumed run rounds as one that was never stopped.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "base/dtype.h"
#include "base/random.h"

namespace poro {

// Sixteen random bits for each moment of one element of one step, for its weight, and some to spare; two
// elements share a draw.
inline std::array<uint32_t, 4> rounding_words(uint64_t seed, int64_t element, int64_t step) {
  const std::array<uint32_t, 4> drawn =
      philox(seed, static_cast<uint64_t>(element) / 2, static_cast<uint64_t>(step));
  const uint32_t low = drawn[element % 2 == 0 ? 0 : 2], high = drawn[element % 2 == 0 ? 1 : 3];
  return {low & 0xffffu, low >> 16, high & 0xffffu, high >> 16};
}

inline BFloat16 round_by_chance(float value, uint32_t word) {
  // The lower 16 bits are how far the value is above the bf16 below it; adding 16 random bits carries with
  // that probability.
  BFloat16 result;
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const bool is_finite = (bits & 0x7f800000u) != 0x7f800000u;
  result.bits = static_cast<uint16_t>((is_finite ? bits + (word & 0xffffu) : bits) >> 16);
  return result;
}

}  // namespace poro
