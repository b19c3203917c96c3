// AVX2: maddubs multiplies unsigned by signed bytes, so the weights give their signs to the tokens and keep
// their magnitudes. Two products of at most 127 * 127 fit its sixteen bits. Sixteen rows times up to four
// tokens at a time.
#include <immintrin.h>

#include "ops/cpu/linear_quantized.h"

namespace poro {
namespace {

constexpr int kMaxTile = 4;

void quantize_group(const float* x, int64_t count, const QuantizedTokens& to) {
  alignas(32) float padded[Int8Block::kColumns];
  for (int64_t i = 0; i < to.columns; ++i) padded[i] = i < count ? x[i] : 0.0f;
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 magnitude = _mm256_setzero_ps();
  for (int64_t i = 0; i < to.columns; i += 8)
    magnitude = _mm256_max_ps(_mm256_andnot_ps(sign, _mm256_load_ps(padded + i)), magnitude);
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, magnitude);
  float largest = 0;
  for (const float lane : lanes) largest = lane > largest ? lane : largest;
  const __m256 inverse = _mm256_set1_ps(largest > 0 ? 127.0f / largest : 0.0f);
  int32_t sum = 0;
  for (int64_t i = 0; i < to.columns; i += 8) {
    alignas(32) int32_t levels[8];
    const __m256i rounded = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_load_ps(padded + i), inverse));
    _mm256_store_si256(reinterpret_cast<__m256i*>(levels),
                       _mm256_max_epi32(rounded, _mm256_set1_epi32(-127)));
    for (int lane = 0; lane < 8; ++lane) {
      to.values[i + lane] = static_cast<int8_t>(levels[lane]);
      sum += levels[lane];
    }
  }
  *to.scales = largest * (1.0f / 127.0f);
  *to.biases = -128 * sum;
}

// Eight rows of a line, as magnitudes and signs.
struct Weights {
  __m256i magnitudes, signs;
};

inline Weights split(__m256i levels) {
  return {_mm256_abs_epi8(levels), levels};
}

inline __m256i load_half_line(const std::byte* line) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(line));
}

// Adds the products of sixteen rows of a slice with a quad of `kTokens` tokens.
template <int kTokens>
inline void multiply_quad(const Weights (&w)[2], const int8_t* x, int64_t columns,
                          __m256i (&sums)[kTokens][2]) {
  for (int t = 0; t < kTokens; ++t) {
    int32_t bytes;
    __builtin_memcpy(&bytes, x + t * columns, 4);
    const __m256i quad = _mm256_set1_epi32(bytes);
    const auto add = [&](__m256i sum, const Weights& rows) {
      const __m256i pairs = _mm256_maddubs_epi16(rows.magnitudes, _mm256_sign_epi8(quad, rows.signs));
      return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    };
    sums[t][0] = add(sums[t][0], w[0]);
    sums[t][1] = add(sums[t][1], w[1]);
  }
}

template <int kTokens>
inline void multiply_slices(const Int8Block&, const std::byte* slices, const int8_t* x,
                            __m256i (&sums)[kTokens][2]) {
  for (int64_t j = 0; j < Int8Block::kSlices; ++j) {
    const std::byte* slice = slices + j * kSliceBytes;
    const Weights w[2] = {split(load_half_line(slice)), split(load_half_line(slice + 32))};
    multiply_quad(w, x + j * 4, Int8Block::kColumns, sums);
  }
}

template <int kTokens>
inline void multiply_slices(const Int4Block&, const std::byte* slices, const int8_t* x,
                            __m256i (&sums)[kTokens][2]) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i levels =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kInt4Levels.data())));
  const auto decode = [&](__m256i codes) {
    return split(_mm256_shuffle_epi8(levels, _mm256_and_si256(codes, nibble)));
  };
  for (int64_t j = 0; j < Int4Block::kSlices; ++j) {
    const std::byte* slice = slices + j * kSliceBytes;
    const __m256i a = load_half_line(slice), b = load_half_line(slice + 32);
    const Weights low[2] = {decode(a), decode(b)};
    multiply_quad(low, x + j * 4, Int4Block::kColumns, sums);
    const Weights high[2] = {decode(_mm256_srli_epi16(a, 4)), decode(_mm256_srli_epi16(b, 4))};
    multiply_quad(high, x + Int4Block::kColumns / 2 + j * 4, Int4Block::kColumns, sums);
  }
}

// Eight rows' sums into y.
inline void add_sums(__m256i sums, const std::byte* scales, float x_scale, float* y) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(scales));
  const __m256 w_scales = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  const __m256 step = _mm256_mul_ps(_mm256_set1_ps(x_scale), w_scales);
  _mm256_storeu_ps(y, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), step, _mm256_loadu_ps(y)));
}

// One block times `kTokens` tokens, sixteen rows after the other.
template <class Block, int kTokens>
void multiply_tile(const std::byte* block, const QuantizedTokens& x, float* y) {
  for (int half = 0; half < 2; ++half) {
    __m256i sums[kTokens][2];
    for (int t = 0; t < kTokens; ++t) sums[t][0] = sums[t][1] = _mm256_setzero_si256();
    multiply_slices(Block{}, block + kScaleBytes + half * 64, x.values, sums);
    for (int t = 0; t < kTokens; ++t) {
      float* at = y + t * kPanelRows + half * 16;
      add_sums(sums[t][0], block + half * 32, x.scales[t], at);
      add_sums(sums[t][1], block + half * 32 + 16, x.scales[t], at + 8);
    }
  }
}

template <class Block>
void multiply(const PanelProduct& task) {
  for (int64_t group = 0; group < task.num_groups; ++group)
    for (int64_t token = 0; token < task.num_tokens; token += kMaxTile) {
      const std::byte* block = task.blocks + group * Block::kBytes;
      const QuantizedTokens x = task.x.at(group, token);
      float* y = task.y + token * kPanelRows;
      switch (task.num_tokens - token) {
        case 1:
          multiply_tile<Block, 1>(block, x, y);
          break;
        case 2:
          multiply_tile<Block, 2>(block, x, y);
          break;
        case 3:
          multiply_tile<Block, 3>(block, x, y);
          break;
        default:
          multiply_tile<Block, kMaxTile>(block, x, y);
      }
    }
}

}  // namespace

QuantizedKernel quantized_kernel_avx2() {
  return {.quantize_group = quantize_group,
          .multiply_int8 = multiply<Int8Block>,
          .multiply_int4 = multiply<Int4Block>,
          .token_tile = 1};
}

}  // namespace poro
