// The rate of vpdpbusd, the int8 dot product of AVX-512 VNNI.
#include <immintrin.h>

#include "ops/cpu/peak.h"

namespace poro {

double vnni_rounds(int64_t rounds) {
  __m512i sums[16];
  for (__m512i& sum : sums) {
    sum = _mm512_setzero_si512();
    asm volatile("" : "+v"(sum));  // Equal chains would become one.
  }
  __m512i a = _mm512_setzero_si512(), b = a;
  for (int64_t round = 0; round < rounds; ++round) {
    asm volatile("" : "+v"(a), "+v"(b));  // Not known to be zero.
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) sums[i] = _mm512_dpbusd_epi32(sums[i], a, b);
  }
  for (__m512i& sum : sums) asm volatile("" : "+v"(sum));
  return static_cast<double>(rounds) * 16 * 128;
}

}  // namespace poro
