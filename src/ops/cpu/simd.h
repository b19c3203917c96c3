// One vector of floats, as wide as the instruction set the including file is compiled for: 16 lanes
// (AVX-512), 8 (AVX2) or 4 (everything else, through the compiler's portable vectors: SSE2, NEON). Kernels
// are written once against this and compiled once per level, by kernels_<level>.cpp, which names the level in
// PORO_ISA. Whatever is defined here or in a kernel lives in the level's own namespace, and these files
// include next to nothing else: an inline function that two levels shared would be merged by the linker, and
// the processor that lacks the wider level could meet the wider copy.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace poro::PORO_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

#define PORO_INLINE [[gnu::always_inline]] inline

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef int32_t IntVec __attribute__((vector_size(kLanes * 4)));
typedef uint16_t HalfBits __attribute__((vector_size(kLanes * 2)));

// The 16-bit formats, as they lie in memory.
struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};

PORO_INLINE Vec splat(float value) {
  return value - Vec{};
}

PORO_INLINE Vec load(const float* from) {
  Vec vec;
  std::memcpy(&vec, from, sizeof vec);
  return vec;
}

PORO_INLINE Vec widen_bf16(HalfBits bits) {
  return (Vec)(__builtin_convertvector(bits, IntVec) << 16);
}

PORO_INLINE Vec widen_f16(HalfBits bits) {
#if defined(__AVX512F__)
  return (Vec)_mm512_cvtph_ps((__m256i)bits);
#elif defined(__AVX2__)
  return (Vec)_mm256_cvtph_ps((__m128i)bits);
#else
  // Moving the exponent's field and multiplying by 2^(127 - 15) is exact for normal and subnormal numbers
  // alike.
  const IntVec wide = __builtin_convertvector(bits, IntVec);
  const IntVec magnitude = (wide & 0x7fff) << 13;
  const IntVec is_special = magnitude >= 0x7c00 << 13;  // Infinity or NaN
  const IntVec scaled = (IntVec)((Vec)magnitude * 0x1p112f);
  return (Vec)((scaled & ~is_special) | ((magnitude | 0x7f800000) & is_special) | ((wide & 0x8000) << 16));
#endif
}

PORO_INLINE Vec load(const Bf16* from) {
  HalfBits bits;
  std::memcpy(&bits, from, sizeof bits);
  return widen_bf16(bits);
}

PORO_INLINE Vec load(const F16* from) {
  HalfBits bits;
  std::memcpy(&bits, from, sizeof bits);
  return widen_f16(bits);
}

// The first `count` elements, then zeros; reads nothing beyond them.
template <class T>
PORO_INLINE Vec load_partial(const T* from, int64_t count) {
  T lanes[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) lanes[i] = from[i];
  return load(lanes);
}

PORO_INLINE HalfBits to_bf16(Vec vec) {
  const IntVec word = (IntVec)vec;
  const IntVec rounded = word + 0x7fff + ((word >> 16) & 1);
  const IntVec is_nan = (word & 0x7fffffff) > 0x7f800000;
  return __builtin_convertvector((((rounded & ~is_nan) | ((word | 0x400000) & is_nan)) >> 16) & 0xffff,
                                 HalfBits);
}

PORO_INLINE HalfBits to_f16(Vec vec) {
#if defined(__AVX512F__)
  return (HalfBits)_mm512_cvtps_ph((__m512)vec, _MM_FROUND_TO_NEAREST_INT);
#elif defined(__AVX2__)
  return (HalfBits)_mm256_cvtps_ph((__m256)vec, _MM_FROUND_TO_NEAREST_INT);
#else
  const IntVec word = (IntVec)vec, magnitude = word & 0x7fffffff, sign = (word >> 16) & 0x8000;
  // Below 2^-14 adding 0.5 leaves the subnormal's bits, rounded, at the bottom of the mantissa.
  const IntVec subnormal = (IntVec)((Vec)magnitude + 0.5f) - 0x3f000000;
  const IntVec normal = (magnitude - (112 << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  const IntVec is_small =
      magnitude<113 << 23, is_large = magnitude >= 0x477ff000, is_nan = magnitude> 0x7f800000;
  IntVec bits = (subnormal & is_small) | (normal & ~is_small);
  bits = (bits & ~is_large) | (0x7c00 & is_large) | (0x200 & is_nan);
  return __builtin_convertvector(bits | sign, HalfBits);
#endif
}

PORO_INLINE void store(float* to, Vec vec) {
  std::memcpy(to, &vec, sizeof vec);
}

PORO_INLINE void store(Bf16* to, Vec vec) {
  const HalfBits bits = to_bf16(vec);
  std::memcpy(to, &bits, sizeof bits);
}

PORO_INLINE void store(F16* to, Vec vec) {
  const HalfBits bits = to_f16(vec);
  std::memcpy(to, &bits, sizeof bits);
}

template <class T>
PORO_INLINE void store_partial(T* to, Vec vec, int64_t count) {
  T lanes[kLanes];
  store(lanes, vec);
  for (int64_t i = 0; i < count; ++i) to[i] = lanes[i];
}

// a * b + c
PORO_INLINE Vec fma(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
  return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}

PORO_INLINE Vec select(IntVec mask, Vec yes, Vec no) {
  return (Vec)(((IntVec)yes & mask) | ((IntVec)no & ~mask));
}
PORO_INLINE Vec larger(Vec a, Vec b) {
  return select(a > b, a, b);
}

PORO_INLINE float sum(Vec vec) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps((__m512)vec);
#else
  float lanes[kLanes];
  store(lanes, vec);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
#endif
}

PORO_INLINE float largest(Vec vec) {
  float lanes[kLanes];
  store(lanes, vec);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] = lanes[i] > lanes[i + width] ? lanes[i] : lanes[i + width];
  return lanes[0];
}

// e^x within 2 units in the last place for x in [-87, 88]; 0 below, e^88 above; NaN stays NaN. x = n ln 2 +
// r, and e^r by its series up to r^7, whose rest is under 6e-9 for |r| <= ln 2 / 2.
PORO_INLINE Vec exp(Vec x) {
  const IntVec is_zero = x < -87.0f;
  x = select(x > 88.0f, splat(88.0f), select(is_zero, splat(-87.0f), x));
  const Vec shifted =
      fma(x, splat(1.44269504f), splat(0x1.8p23f));  // The integer nearest to x / ln 2 in the low bits.
  const Vec n = shifted - 0x1.8p23f;
  const Vec r = fma(n, splat(-1.42860677e-6f), fma(n, splat(-0.693145752f), x));
  Vec series = splat(1.0f / 5040);
  series = fma(series, r, splat(1.0f / 720));
  series = fma(series, r, splat(1.0f / 120));
  series = fma(series, r, splat(1.0f / 24));
  series = fma(series, r, splat(1.0f / 6));
  series = fma(series, r, splat(0.5f));
  series = fma(series, r, splat(1.0f));
  series = fma(series, r, splat(1.0f));
  const IntVec exponent = ((IntVec)shifted - 0x4b400000 + 127) << 23;
  return select(is_zero, Vec{}, series * (Vec)exponent);
}

}  // namespace poro::PORO_ISA
