// The weights of a decoding product as the tensor cores take them: 16 bytes of one row in a thread's registers become operands of
// m16n8k16, in whichever order of columns costs least, and the activations lie in shared memory in that same order.
//
// bf16 weights meet bf16 activations. The formats of fewer bits become f16, which holds each of their levels exactly, and meet
// activations in f16 that were scaled by a power of two for each row, so that the largest is just in range.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <cstdint>

#include "ops/quantize.h"

namespace poro {

struct Sums {
  float low[2] = {0, 0};   // Row g of the tile, tokens 2 c and 2 c + 1, for lane 4 g + c.
  float high[2] = {0, 0};  // Row g + 8.
};

// sums += w x over sixteen columns: four of each row in each lane.
template <bool kIsHalf>
__device__ inline void multiply(Sums& sums, uint32_t low0, uint32_t low1, uint32_t high0, uint32_t high1, uint32_t x0, uint32_t x1) {
  if constexpr (kIsHalf)
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sums.low[0]), "+f"(sums.low[1]), "+f"(sums.high[0]), "+f"(sums.high[1])
        : "r"(low0), "r"(high0), "r"(low1), "r"(high1), "r"(x0), "r"(x1));
  else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sums.low[0]), "+f"(sums.low[1]), "+f"(sums.high[0]), "+f"(sums.high[1])
        : "r"(low0), "r"(high0), "r"(low1), "r"(high1), "r"(x0), "r"(x1));
}

// A chunk is 64 bytes of each row: 16 for each lane of a quad. kPieces is how many times eight columns of a lane's activations it
// meets; piece j of lane c lies at 64 j + 16 c of the chunk's activations.
template <DType>
struct WeightFormat;

template <>
struct WeightFormat<DType::kBF16> {
  static constexpr int kChunkColumns = 32, kPieces = 1;
  static constexpr bool kIsHalf = false, kHasRowScales = false, kHasGroupScales = false;
  __device__ static void add(Sums& sums, const uint4& low, const uint4& high, const uint4 (&x)[kPieces], const uint32_t*, const uint32_t*) {
    multiply<false>(sums, low.x, low.y, high.x, high.y, x[0].x, x[0].y);
    multiply<false>(sums, low.z, low.w, high.z, high.w, x[0].z, x[0].w);
  }
};

// Four weights of a byte each: the words of columns (0, 1) and (2, 3).
__device__ inline void widen_f8(uint32_t bytes, uint32_t& first, uint32_t& second) {
  asm("{.reg .b16 a, b; mov.b32 {a, b}, %2; cvt.rn.f16x2.e4m3x2 %0, a; cvt.rn.f16x2.e4m3x2 %1, b;}" : "=r"(first), "=r"(second) : "r"(bytes));
}
// Levels are kept as level + 128, which or-ed into the mantissa of 1024 is 1152 + level.
__device__ inline void widen_i8(uint32_t bytes, uint32_t& first, uint32_t& second) {
  const __half2 offset = __halves2half2(__ushort_as_half(0x6480), __ushort_as_half(0x6480));  // 1152
  const uint32_t a = __byte_perm(bytes, 0x64646464u, 0x4140), b = __byte_perm(bytes, 0x64646464u, 0x4342);
  const __half2 x = __hsub2(reinterpret_cast<const __half2&>(a), offset), y = __hsub2(reinterpret_cast<const __half2&>(b), offset);
  first = reinterpret_cast<const uint32_t&>(x);
  second = reinterpret_cast<const uint32_t&>(y);
}

template <bool kIsFloat>
struct ByteFormat {
  static constexpr int kChunkColumns = 64, kPieces = 2;
  static constexpr bool kIsHalf = true, kHasRowScales = true, kHasGroupScales = false;
  __device__ static void add_word(Sums& sums, uint32_t low, uint32_t high, uint32_t x0, uint32_t x1) {
    uint32_t low0, low1, high0, high1;
    if constexpr (kIsFloat) {
      widen_f8(low, low0, low1);
      widen_f8(high, high0, high1);
    } else {
      widen_i8(low, low0, low1);
      widen_i8(high, high0, high1);
    }
    multiply<true>(sums, low0, low1, high0, high1, x0, x1);
  }
  __device__ static void add(Sums& sums, const uint4& low, const uint4& high, const uint4 (&x)[kPieces], const uint32_t*, const uint32_t*) {
    add_word(sums, low.x, high.x, x[0].x, x[0].y);
    add_word(sums, low.y, high.y, x[0].z, x[0].w);
    add_word(sums, low.z, high.z, x[1].x, x[1].y);
    add_word(sums, low.w, high.w, x[1].z, x[1].w);
  }
};
template <>
struct WeightFormat<DType::kF8> : ByteFormat<true> {};
template <>
struct WeightFormat<DType::kI8> : ByteFormat<false> {};

// Eight weights of a word (GpuInt4 in ops/quantize.h) as four pairs of neighbouring columns. The upper byte of each f16 comes from
// a table of eight magnitudes in two registers.
__device__ inline void widen_i4(uint32_t word, uint32_t (&pairs)[4]) {
  const uint32_t selector = word & 0x77777777u;
  const uint32_t a = __byte_perm(GpuInt4::kMagnitudeBytes[0], GpuInt4::kMagnitudeBytes[1], selector) | (word & 0x80808080u);
  const uint32_t b = __byte_perm(GpuInt4::kMagnitudeBytes[0], GpuInt4::kMagnitudeBytes[1], selector >> 16) | ((word << 4) & 0x80808080u);
  pairs[0] = a & 0xff00ff00u;
  pairs[1] = __byte_perm(a, 0, 0x2404);
  pairs[2] = b & 0xff00ff00u;
  pairs[3] = __byte_perm(b, 0, 0x2404);
}

template <>
struct WeightFormat<DType::kI4> {
  static constexpr int kChunkColumns = 128, kPieces = 4;
  static constexpr bool kIsHalf = true, kHasRowScales = false, kHasGroupScales = true;
  __device__ static void add_word(Sums& sums, uint32_t low, uint32_t high, const uint4& x) {
    uint32_t l[4], h[4];
    widen_i4(low, l);
    widen_i4(high, h);
    multiply<true>(sums, l[0], l[1], h[0], h[1], x.x, x.y);
    multiply<true>(sums, l[2], l[3], h[2], h[3], x.z, x.w);
  }
  // `scales`: two bf16, those of the chunk's two groups.
  __device__ static void add(Sums& sums, const uint4& low, const uint4& high, const uint4 (&x)[kPieces], const uint32_t* low_scales,
                             const uint32_t* high_scales) {
    Sums first, second;
    add_word(first, low.x, high.x, x[0]);
    add_word(first, low.y, high.y, x[1]);
    add_word(second, low.z, high.z, x[2]);
    add_word(second, low.w, high.w, x[3]);
    const uint32_t l = *low_scales, h = *high_scales;
    for (int i = 0; i < 2; ++i) {
      sums.low[i] += first.low[i] * __uint_as_float(l << 16) + second.low[i] * __uint_as_float(l & 0xffff0000u);
      sums.high[i] += first.high[i] * __uint_as_float(h << 16) + second.high[i] * __uint_as_float(h & 0xffff0000u);
    }
  }
};

}  // namespace poro
