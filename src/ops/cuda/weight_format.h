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

// A chunk is 64 bytes of each row: 16 for each lane of a quad. A unit of the ring is two chunks of eight low
// rows and of eight high rows; chunk_at() says where a chunk of the low rows lies in it, 16 bytes of each
// lane, and those of the high rows lie kHighAt further on. kGroupWarps warps share a tile, which gives each
// of them a few units of a row of 4,096; a warp asks for kEarlyUnits before there are activations. kPieces is
// how many times eight columns of a lane's activations the chunk's 16 bytes meet; piece j of lane c lies at
// 64 j + 16 c of the chunk's activations.
constexpr int kChunkBytes = 64, kUnitChunks = 2;

template <DType>
struct WeightFormat;

struct RowFormat {
  static constexpr int kGroupWarps = 16, kUnitBytes = 2048, kHighAt = 512, kEarlyUnits = 2;
  static constexpr bool kIsPanels = false;
  __device__ static int chunk_at(int chunk) { return chunk * 1024; }
};

template <>
struct WeightFormat<DType::kBF16> : RowFormat {
  static constexpr int kChunkColumns = 32, kPieces = 1;
  static constexpr bool kIsHalf = false, kHasRowScales = false;
  __device__ static void add(Sums& sums, const uint4& low, const uint4& high, const uint4 (&x)[kPieces]) {
    multiply<false>(sums, low.x, low.y, high.x, high.y, x[0].x, x[0].y);
    multiply<false>(sums, low.z, low.w, high.z, high.w, x[0].z, x[0].w);
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
struct ByteFormat : RowFormat {
  static constexpr int kChunkColumns = 64, kPieces = 2;
  static constexpr bool kIsHalf = true, kHasRowScales = true;
  __device__ static uint2 widen_word(uint32_t bytes) { return kIsFloat ? widen_f8(bytes) : widen_i8(bytes); }
  __device__ static void add(Sums& sums, const uint4& low, const uint4& high, const uint4 (&x)[kPieces]) {
    const auto four = [&](uint32_t low_bytes, uint32_t high_bytes, uint32_t x0, uint32_t x1) {
      const uint2 a = widen_word(low_bytes), b = widen_word(high_bytes);
      multiply<true>(sums, a.x, a.y, b.x, b.y, x0, x1);
    };
    four(low.x, high.x, x[0].x, x[0].y);
    four(low.y, high.y, x[0].z, x[0].w);
    four(low.z, high.z, x[1].x, x[1].y);
    four(low.w, high.w, x[1].z, x[1].w);
  }
};
template <>
struct WeightFormat<DType::kF8> : ByteFormat<true> {};
template <>
struct WeightFormat<DType::kI8> : ByteFormat<false> {};

// (word & kMask) | bits in one operation; nvcc makes two of it when both are constants.
template <uint32_t kMask>
__device__ inline uint32_t masked_or(uint32_t word, uint32_t bits) {
  uint32_t result;
  asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(result) : "r"(word), "n"(kMask), "r"(bits));
  return result;
}

// Eight weights of a word (GpuInt4 in ops/quantize.h) as four pairs of neighbouring columns, each code with
// an offset: 16 in the first and third pair, 256 in the others. Codes go to the mantissas of 16 and 256 as
// they lie.
__device__ inline void widen_i4(uint32_t word, uint32_t (&pairs)[4]) {
  const uint32_t turned = __funnelshift_r(word, word, 8);
  pairs[0] = masked_or<0x03c003c0u>(word, 0x4c004c00u);
  pairs[1] = masked_or<0x003c003cu>(word, 0x5c005c00u);
  pairs[2] = masked_or<0x03c003c0u>(turned, 0x4c004c00u);
  pairs[3] = masked_or<0x003c003cu>(turned, 0x5c005c00u);
}

__device__ inline float int4_level(uint32_t word, int64_t column) {
  return static_cast<float>(__funnelshift_r(word, word, GpuInt4::turn(column)) & 15u) - GpuInt4::kMiddle;
}

template <>
struct WeightFormat<DType::kI4> {
  static constexpr int kChunkColumns = 128, kPieces = 4;
  static constexpr bool kIsHalf = true, kHasRowScales = false, kIsPanels = true;
  // A half is a unit of a panel, which ends in its scales.
  static constexpr int kGroupWarps = 8, kHighAt = static_cast<int>(GpuInt4::kUnitBytes),
                       kUnitBytes = 2 * kHighAt, kScalesAt = 1024, kEarlyUnits = 1;
  __device__ static int chunk_at(int chunk) { return chunk * 512; }
  // What takes the offsets of eight columns' codes out of their product with x.
  __device__ static float start(const float2 (&x)[4]) {
    return -(16 + GpuInt4::kMiddle) * (x[0].x + x[0].y + x[2].x + x[2].y) -
           (256 + GpuInt4::kMiddle) * (x[1].x + x[1].y + x[3].x + x[3].y);
  }
  // A group's sums, from their start.
  __device__ static Sums group(uint32_t low0, uint32_t low1, uint32_t high0, uint32_t high1, const uint4& x0,
                               const uint4& x1, const float2& start) {
    Sums sums = {{start.x, start.y}, {start.x, start.y}};
    const auto eight = [&](uint32_t low_word, uint32_t high_word, const uint4& x) {
      uint32_t a[4], b[4];
      widen_i4(low_word, a);
      widen_i4(high_word, b);
      multiply<true>(sums, a[0], a[1], b[0], b[1], x.x, x.y);
      multiply<true>(sums, a[2], a[3], b[2], b[3], x.z, x.w);
    };
    eight(low0, high0, x0);
    eight(low1, high1, x1);
    return sums;
  }
  // Scales: two bf16, those of the chunk's two groups; so are the starts.
  __device__ static void add(Sums& sums, const uint4& low, const uint4& high, const uint4 (&x)[kPieces],
                             uint32_t low_scales, uint32_t high_scales, const float2& first_start,
                             const float2& second_start) {
    const Sums first = group(low.x, low.y, high.x, high.y, x[0], x[1], first_start);
    const Sums second = group(low.z, low.w, high.z, high.w, x[2], x[3], second_start);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      sums.low[i] = fmaf(first.low[i], __uint_as_float(low_scales << 16), sums.low[i]);
      sums.low[i] = fmaf(second.low[i], __uint_as_float(low_scales & 0xffff0000u), sums.low[i]);
      sums.high[i] = fmaf(first.high[i], __uint_as_float(high_scales << 16), sums.high[i]);
      sums.high[i] = fmaf(second.high[i], __uint_as_float(high_scales & 0xffff0000u), sums.high[i]);
    }
  }
};

}  // namespace poro
