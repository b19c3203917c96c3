// The weights of a decoding product as the tensor cores take them: 16 bytes of one row in a thread's
// registers become operands of m16n8k16, in whichever order of columns costs least, and the activations lie
// in shared memory in that same order.
//
// bf16 weights meet bf16 activations. The formats of fewer bits become f16, which holds each of their levels
// exactly, and meet activations in f16 that were scaled by a power of two for each row, so that the largest
// is just in range.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "ops/cuda/fp8.cuh"
#include "ops/quantize.h"

namespace poro {

struct Sums {
  float low[2] = {0, 0};   // Row g of the tile, tokens 2 c and 2 c + 1, for lane 4 g + c.
  float high[2] = {0, 0};  // Row g + 8.
};

// sums += w x over sixteen columns: four of each row in each lane.
template <bool kIsHalf>
__device__ inline void multiply(Sums& sums, uint32_t low0, uint32_t low1, uint32_t high0, uint32_t high1,
                                uint32_t x0, uint32_t x1) {
  if constexpr (kIsHalf)
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(sums.low[0]), "+f"(sums.low[1]), "+f"(sums.high[0]), "+f"(sums.high[1])
        : "r"(low0), "r"(high0), "r"(low1), "r"(high1), "r"(x0), "r"(x1));
  else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(sums.low[0]), "+f"(sums.low[1]), "+f"(sums.high[0]), "+f"(sums.high[1])
        : "r"(low0), "r"(high0), "r"(low1), "r"(high1), "r"(x0), "r"(x1));
}

// A chunk is 64 bytes of each row: 16 for each lane of a quad. Four chunks are a block, with which the scales
// of its groups lie where the format has those. widen() makes operands of them, once for all tokens: kWords
// words of each row. kPieces is how many times eight columns of a lane's activations they meet; piece j of
// lane c lies at 64 j + 16 c of the chunk's activations.
template <DType>
struct WeightFormat;

// The words of the low and the high row of a lane.
template <int kWords>
struct Operands {
  uint32_t low[kWords], high[kWords];
};

// Words [first, first + 4) of the operands with one piece of activations: sixteen columns twice.
template <bool kIsHalf, int kWords>
__device__ inline void multiply_piece(Sums& sums, const Operands<kWords>& w, int first, const uint4& x) {
  multiply<kIsHalf>(sums, w.low[first], w.low[first + 1], w.high[first], w.high[first + 1], x.x, x.y);
  multiply<kIsHalf>(sums, w.low[first + 2], w.low[first + 3], w.high[first + 2], w.high[first + 3], x.z, x.w);
}

template <>
struct WeightFormat<DType::kBF16> {
  static constexpr int kChunkColumns = 32, kBlockBytes = 256, kPieces = 1, kWords = 4;
  static constexpr bool kIsHalf = false, kHasRowScales = false, kHasGroupScales = false;
  __device__ static Operands<kWords> widen(const uint4& low, const uint4& high) {
    return {{low.x, low.y, low.z, low.w}, {high.x, high.y, high.z, high.w}};
  }
  __device__ static void add(Sums& sums, const Operands<kWords>& w, const uint4 (&x)[kPieces], uint32_t,
                             uint32_t) {
    multiply_piece<false>(sums, w, 0, x[0]);
  }
};

// Four weights of a byte each: the words of columns (0, 1) and (2, 3), as widen_f8 makes them.
// Levels are kept as level + 128, which or-ed into the mantissa of 1024 is 1152 + level.
__device__ inline uint2 widen_i8(uint32_t bytes) {
  const __half2 offset = __halves2half2(__ushort_as_half(0x6480), __ushort_as_half(0x6480));  // 1152
  const uint32_t a = __byte_perm(bytes, 0x64646464u, 0x4140), b = __byte_perm(bytes, 0x64646464u, 0x4342);
  const __half2 x = __hsub2(reinterpret_cast<const __half2&>(a), offset),
                y = __hsub2(reinterpret_cast<const __half2&>(b), offset);
  return {reinterpret_cast<const uint32_t&>(x), reinterpret_cast<const uint32_t&>(y)};
}

template <bool kIsFloat>
struct ByteFormat {
  static constexpr int kChunkColumns = 64, kBlockBytes = 256, kPieces = 2, kWords = 8;
  static constexpr bool kIsHalf = true, kHasRowScales = true, kHasGroupScales = false;
  __device__ static uint2 widen_word(uint32_t bytes) { return kIsFloat ? widen_f8(bytes) : widen_i8(bytes); }
  __device__ static Operands<kWords> widen(const uint4& low, const uint4& high) {
    const uint2 a = widen_word(low.x), b = widen_word(low.y), c = widen_word(low.z), d = widen_word(low.w);
    const uint2 e = widen_word(high.x), f = widen_word(high.y), g = widen_word(high.z),
                h = widen_word(high.w);
    return {{a.x, a.y, b.x, b.y, c.x, c.y, d.x, d.y}, {e.x, e.y, f.x, f.y, g.x, g.y, h.x, h.y}};
  }
  __device__ static void add(Sums& sums, const Operands<kWords>& w, const uint4 (&x)[kPieces], uint32_t,
                             uint32_t) {
    multiply_piece<true>(sums, w, 0, x[0]);
    multiply_piece<true>(sums, w, 4, x[1]);
  }
};
template <>
struct WeightFormat<DType::kF8> : ByteFormat<true> {};
template <>
struct WeightFormat<DType::kI8> : ByteFormat<false> {};

// Eight weights of a word (GpuInt4 in ops/quantize.h) as four pairs of neighbouring columns. The upper byte
// of each f16 comes from a table of eight magnitudes in two registers.
__device__ inline void widen_i4(uint32_t word, uint32_t* pairs) {
  const uint32_t selector = word & 0x77777777u;
  const uint32_t a =
      __byte_perm(GpuInt4::kMagnitudeBytes[0], GpuInt4::kMagnitudeBytes[1], selector) | (word & 0x80808080u);
  const uint32_t b = __byte_perm(GpuInt4::kMagnitudeBytes[0], GpuInt4::kMagnitudeBytes[1], selector >> 16) |
                     ((word << 4) & 0x80808080u);
  pairs[0] = a & 0xff00ff00u;
  pairs[1] = __byte_perm(a, 0, 0x2404);
  pairs[2] = b & 0xff00ff00u;
  pairs[3] = __byte_perm(b, 0, 0x2404);
}

// GpuInt4's places, for the device.
__device__ inline int64_t int4_word_at(int64_t column) {
  const int64_t in_block = column % GpuInt4::kBlockColumns, in_group = column % GpuInt4::kColumns,
                group = in_block / GpuInt4::kColumns;
  return column / GpuInt4::kBlockColumns * GpuInt4::kBlockBytes + group / 2 * 64 + in_group / 16 * 16 +
         group % 2 * 8 + in_group % 16 / 8 * 4;
}
__device__ inline int64_t int4_scale_at(int64_t column) {
  return column / GpuInt4::kBlockColumns * GpuInt4::kBlockBytes + 256 +
         column % GpuInt4::kBlockColumns / GpuInt4::kColumns * 2;
}

template <>
struct WeightFormat<DType::kI4> {
  static constexpr int kChunkColumns = 128, kBlockBytes = GpuInt4::kBlockBytes, kPieces = 4, kWords = 16;
  static constexpr bool kIsHalf = true, kHasRowScales = false, kHasGroupScales = true;
  __device__ static void widen_row(const uint4& row, uint32_t* words) {
    const uint32_t codes[4] = {row.x, row.y, row.z, row.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) widen_i4(codes[i], words + 4 * i);
  }
  __device__ static Operands<kWords> widen(const uint4& low, const uint4& high) {
    Operands<kWords> w;
    widen_row(low, w.low);
    widen_row(high, w.high);
    return w;
  }
  // Scales: two bf16, those of the chunk's two groups.
  __device__ static void add(Sums& sums, const Operands<kWords>& w, const uint4 (&x)[kPieces],
                             uint32_t low_scales, uint32_t high_scales) {
    Sums first, second;
    multiply_piece<true>(first, w, 0, x[0]);
    multiply_piece<true>(first, w, 4, x[1]);
    multiply_piece<true>(second, w, 8, x[2]);
    multiply_piece<true>(second, w, 12, x[3]);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      sums.low[i] += first.low[i] * __uint_as_float(low_scales << 16) +
                     second.low[i] * __uint_as_float(low_scales & 0xffff0000u);
      sums.high[i] += first.high[i] * __uint_as_float(high_scales << 16) +
                      second.high[i] * __uint_as_float(high_scales & 0xffff0000u);
    }
  }
};

}  // namespace poro
