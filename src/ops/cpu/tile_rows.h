// Sixteen vectors on their way into a tile or out of one: on their side, or two by two in turns. For files
// compiled for AVX-512, which name their level in PORO_ISA (simd.h).
#pragma once

#include "ops/cpu/simd.h"

namespace poro::PORO_ISA {

// Rows become columns.
PORO_INLINE void transpose(__m512i (&rows)[16]) {
  __m512i pairs[16], quads[16];
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; ++j) {
      quads[i + 2 * j] = _mm512_unpacklo_epi64(pairs[i + j], pairs[i + j + 2]);
      quads[i + 2 * j + 1] = _mm512_unpackhi_epi64(pairs[i + j], pairs[i + j + 2]);
    }
  for (int j = 0; j < 4; ++j) {
    const __m512i low0 = _mm512_shuffle_i32x4(quads[j], quads[j + 4], 0x88);
    const __m512i low1 = _mm512_shuffle_i32x4(quads[j + 8], quads[j + 12], 0x88);
    const __m512i high0 = _mm512_shuffle_i32x4(quads[j], quads[j + 4], 0xdd);
    const __m512i high1 = _mm512_shuffle_i32x4(quads[j + 8], quads[j + 12], 0xdd);
    rows[j] = _mm512_shuffle_i32x4(low0, low1, 0x88);
    rows[j + 8] = _mm512_shuffle_i32x4(low0, low1, 0xdd);
    rows[j + 4] = _mm512_shuffle_i32x4(high0, high1, 0x88);
    rows[j + 12] = _mm512_shuffle_i32x4(high0, high1, 0xdd);
  }
}

// The halves of two rows in turns: a0 b0 a1 b1 ..., of the columns from 0 or from 16 on.
template <int kFirst>
PORO_INLINE __m512i interleave(__m512i a, __m512i b) {
  alignas(64) static constexpr struct {
    uint16_t lanes[32];
  } kOrder = [] {
    auto order = decltype(kOrder){};
    for (int i = 0; i < 16; ++i) {
      order.lanes[2 * i] = static_cast<uint16_t>(kFirst + i);
      order.lanes[2 * i + 1] = static_cast<uint16_t>(32 + kFirst + i);
    }
    return order;
  }();
  return _mm512_permutex2var_epi16(a, _mm512_load_si512(kOrder.lanes), b);
}

}  // namespace poro::PORO_ISA
