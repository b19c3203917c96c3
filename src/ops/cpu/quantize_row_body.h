// The arithmetic of quantisation in vectors of the width that the including file is compiled for. The bits do
// not depend on that width: sums run in sixteen fixed lanes, and every product that is added is exact in
// float (the compiler may fuse it or not).
//
// int4 searches the scale of a group: for each candidate the weights go to their nearest levels l, the best
// scale for those levels is sum(w l) / sum(l l), and the candidate with the largest sum(w l)^2 / sum(l l)
// leaves the least squared error.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>

#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "ops/cpu/quantize_row.h"

namespace poro {
namespace {

#if defined(__AVX512F__)
constexpr int kWidth = 16;
#elif defined(__AVX2__)
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif
constexpr int kVectors = 16 / kWidth;  // Of sixteen lanes.

typedef float Floats __attribute__((vector_size(kWidth * 4)));
typedef int32_t Ints __attribute__((vector_size(kWidth * 4)));

inline Floats load(const float* from) {
  Floats value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Columns [0, count) of the source as floats, zeros up to `padded`.
inline void read_floats(const std::byte* source, DType dtype, int64_t count, int64_t padded, float* out) {
  if (dtype == DType::kBF16) {
    const uint16_t* from = reinterpret_cast<const uint16_t*>(source);
    for (int64_t i = 0; i < count; ++i) out[i] = std::bit_cast<float>(static_cast<uint32_t>(from[i]) << 16);
  } else if (dtype == DType::kF32) {
    std::memcpy(out, source, static_cast<size_t>(count) * sizeof(float));
  } else {
    const uint16_t* from = reinterpret_cast<const uint16_t*>(source);
    int64_t i = 0;
#if defined(__F16C__)
    for (; i + 8 <= count; i += 8)
      _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
#endif
    for (; i < count; ++i) {
      Float16 half;
      half.bits = from[i];
      out[i] = static_cast<float>(half);
    }
  }
  for (int64_t i = count; i < padded; ++i) out[i] = 0;
}

template <int64_t kColumns>
inline float largest_magnitude(const float* w) {
  Floats largest[kVectors] = {};
  for (int64_t i = 0; i < kColumns; i += 16)
    for (int v = 0; v < kVectors; ++v) {
      const Floats x = load(w + i + v * kWidth);
      const Floats magnitude = x < 0 ? -x : x;
      largest[v] = magnitude > largest[v] ? magnitude : largest[v];
    }
  float result = 0;
  for (int v = 0; v < kVectors; ++v)
    for (int lane = 0; lane < kWidth; ++lane) result = largest[v][lane] > result ? largest[v][lane] : result;
  return result;
}

inline float sum_lanes(const Floats (&sums)[kVectors]) {
  float lanes[16];
  std::memcpy(lanes, sums, sizeof lanes);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

// The nearest level of each lane, and its code.
struct Nearest {
  Floats level;
  Ints code;
};

inline Nearest nearest_level(Floats v) {
  Floats level = Floats{} + static_cast<float>(kInt4Levels[0]);
  Ints code = {};
  for (size_t k = 1; k < kInt4Levels.size(); ++k) {
    const float threshold = 0.5f * static_cast<float>(kInt4Levels[k - 1] + kInt4Levels[k]);
    const Ints is_above = v > threshold;
    const Floats step = Floats{} + static_cast<float>(kInt4Levels[k] - kInt4Levels[k - 1]);
    level += is_above ? step : Floats{};
    code -= is_above;
  }
  return {level, code};
}

// Where the levels' reach of 127 is put, as a multiple of the largest weight; negative: the long side of the
// levels for the other sign. More candidates gain less than 1 % of the squared error.
constexpr float kReaches[] = {1.0f, 0.9f, 0.8f, 0.7f, -1.0f, -0.9f, -0.8f, -0.7f};

inline float int4_scale(const float* w, float largest) {
  float best_scale = 0, best_gain = -1;
  for (const float reach : kReaches) {
    const float inverse = 127.0f / (largest * reach);
    Floats products[kVectors] = {}, squares[kVectors] = {};
    for (int64_t i = 0; i < Int4Block::kColumns; i += 16)
      for (int v = 0; v < kVectors; ++v) {
        const Floats x = load(w + i + v * kWidth);
        const Floats level = nearest_level(x * inverse).level;
        // Sixteen bits of the weight times a level of eight: exact.
        const Floats rounded =
            std::bit_cast<Floats>(std::bit_cast<Ints>(x) & static_cast<int32_t>(0xffffff00u));
        products[v] += rounded * level;
        squares[v] += level * level;
      }
    const float product = sum_lanes(products), square = sum_lanes(squares);
    const float scale = product / square;
    const float gain = product * scale;
    if (gain > best_gain) {
      best_gain = gain;
      best_scale = scale;
    }
  }
  return best_scale;
}

inline void store_scale(std::byte* block, int64_t row, BFloat16 scale) {
  std::memcpy(block + row * 2, &scale, sizeof scale);
}

// Four bytes of the row into each slice of its block.
template <int64_t kSlices>
inline void store_slices(const void* bytes, std::byte* block, int64_t row) {
  for (int64_t j = 0; j < kSlices; ++j)
    std::memcpy(block + kScaleBytes + j * kSliceBytes + row * 4, static_cast<const std::byte*>(bytes) + j * 4,
                4);
}

inline void quantize_group_int4(const float* w, std::byte* block, int64_t row) {
  constexpr int64_t kColumns = Int4Block::kColumns;
  const float largest = largest_magnitude<kColumns>(w);
  const BFloat16 scale(largest > 0 ? int4_scale(w, largest) : 0.0f);
  const float step = static_cast<float>(scale);
  const float inverse = step != 0 ? 1.0f / step : 0.0f;
  int32_t codes[kColumns];
  for (int64_t i = 0; i < kColumns; i += kWidth) {
    const Ints code = nearest_level(load(w + i) * inverse).code;
    std::memcpy(codes + i, &code, sizeof code);
  }
  uint8_t packed[kColumns / 2];
  for (int64_t i = 0; i < kColumns / 2; ++i)
    packed[i] = static_cast<uint8_t>(codes[i] | codes[i + kColumns / 2] << 4);
  store_scale(block, row, scale);
  store_slices<Int4Block::kSlices>(packed, block, row);
}

inline void quantize_group_int8(const float* w, std::byte* block, int64_t row) {
  constexpr int64_t kColumns = Int8Block::kColumns;
  const BFloat16 scale(largest_magnitude<kColumns>(w) * (1.0f / 127.0f));
  const float step = static_cast<float>(scale);
  const float inverse = step != 0 ? 1.0f / step : 0.0f;
  int8_t levels[kColumns];
  for (int64_t i = 0; i < kColumns; i += kWidth) {
    const Floats v = load(w + i) * inverse;
    const Floats limit = Floats{} + 127.0f;
    const Floats low = v > -limit ? v : -limit;
    const Floats clamped = low < limit ? low : limit;
    // Adding 1.5 * 2^23 rounds to the nearest integer, ties to even.
    const Ints level = __builtin_convertvector((clamped + 12582912.0f) - 12582912.0f, Ints);
    for (int lane = 0; lane < kWidth; ++lane) levels[i + lane] = static_cast<int8_t>(level[lane]);
  }
  store_scale(block, row, scale);
  store_slices<Int8Block::kSlices>(levels, block, row);
}

template <class Block, class QuantizeGroup>
inline void quantize_groups(const QuantizeRow& task, const QuantizeGroup& quantize_group) {
  alignas(64) float w[Block::kColumns];
  std::byte* block = task.panel;
  const int64_t element_bytes = dtype_bits(task.source_dtype) / 8;
  for (int64_t begin = 0; begin < task.columns; begin += Block::kColumns, block += Block::kBytes) {
    const int64_t left = task.columns - begin;
    read_floats(task.source + begin * element_bytes, task.source_dtype,
                left < Block::kColumns ? left : Block::kColumns, Block::kColumns, w);
    quantize_group(w, block, task.row);
  }
}

inline void quantize_row_body(const QuantizeRow& task) {
  if (task.dtype == DType::kI8)
    quantize_groups<Int8Block>(task, quantize_group_int8);
  else
    quantize_groups<Int4Block>(task, quantize_group_int4);
}

}  // namespace
}  // namespace poro
