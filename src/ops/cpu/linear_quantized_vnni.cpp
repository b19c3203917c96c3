// AVX-512 VNNI: one instruction adds the four-byte dot products of sixteen rows. It wants unsigned weights and signed tokens, so
// the weights are lifted by 128 and the sums start at -128 times the sum of the tokens' values. A block's weights are read and
// unpacked once for up to twelve tokens, whose sums stay in registers.
#include <immintrin.h>

#include <utility>

#include "ops/cpu/linear_quantized.h"

namespace poro {
namespace {

constexpr int kMaxTile = 12;           // Tokens at a time: 24 sums, and room for weights and constants in 32 registers.
constexpr int kPrefetchBytes = 2048;   // How far ahead of the lines in use memory is asked for.

void quantize_group(const float* x, int64_t count, const QuantizedTokens& to) {
  const auto part = [&](int64_t i) {
    const int64_t left = count - i;
    return _mm512_maskz_loadu_ps(left >= 16 ? 0xffffu : left <= 0 ? 0u : (1u << left) - 1, x + i);
  };
  __m512 magnitude = _mm512_setzero_ps();
  for (int64_t i = 0; i < count; i += 16) magnitude = _mm512_max_ps(_mm512_abs_ps(part(i)), magnitude);
  const float largest = _mm512_reduce_max_ps(magnitude);
  const __m512 inverse = _mm512_set1_ps(largest > 0 ? 127.0f / largest : 0.0f);
  __m512i sum = _mm512_setzero_si512();
  for (int64_t i = 0; i < to.columns; i += 16) {
    const __m512i level = _mm512_max_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(part(i), inverse)), _mm512_set1_epi32(-127));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to.values + i), _mm512_cvtsepi32_epi8(level));
    sum = _mm512_add_epi32(sum, level);
  }
  *to.scales = largest * (1.0f / 127.0f);
  *to.biases = -128 * _mm512_reduce_add_epi32(sum);
}

inline __m512i load_line(const std::byte* line) { return _mm512_loadu_si512(line); }

// Four columns of a token, for every row.
inline __m512i broadcast_quad(const int8_t* x) {
  int32_t quad;
  __builtin_memcpy(&quad, x, 4);
  return _mm512_set1_epi32(quad);
}

// Adds the products of one line of each half with a quad of `kTokens` tokens.
template <int kTokens>
inline void multiply_lines(__m512i low_rows, __m512i high_rows, const int8_t* x, int64_t columns, __m512i (&sums)[kTokens][2]) {
#pragma GCC unroll 12
  for (int t = 0; t < kTokens; ++t) {
    const __m512i quad = broadcast_quad(x + t * columns);
    sums[t][0] = _mm512_dpbusd_epi32(sums[t][0], low_rows, quad);
    sums[t][1] = _mm512_dpbusd_epi32(sums[t][1], high_rows, quad);
  }
}

template <int kTokens>
inline void multiply_block(const Int8Block&, const std::byte* rows, const int8_t* x, __m512i (&sums)[kTokens][2]) {
  const __m512i lift = _mm512_set1_epi8(-128);
  for (int64_t j = 0; j < Int8Block::kColumns / 4; ++j) {
    const std::byte* line = rows + j * 64;
    _mm_prefetch(line + kPrefetchBytes, _MM_HINT_T0);
    _mm_prefetch(line + Int8Block::kHalfBytes + kPrefetchBytes, _MM_HINT_T0);
    multiply_lines(_mm512_xor_si512(load_line(line), lift), _mm512_xor_si512(load_line(line + Int8Block::kHalfBytes), lift), x + j * 4,
                   Int8Block::kColumns, sums);
  }
}

inline __m512i lifted_levels() {
  alignas(16) uint8_t levels[16];
  for (size_t code = 0; code < 16; ++code) levels[code] = static_cast<uint8_t>(kInt4Levels[code] + 128);
  return _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(levels)));
}

template <int kTokens>
inline void multiply_block(const Int4Block&, const std::byte* rows, const int8_t* x, __m512i (&sums)[kTokens][2]) {
  const __m512i levels = lifted_levels(), nibble = _mm512_set1_epi8(15);
  for (int64_t j = 0; j < Int4Block::kColumns / 8; ++j) {
    const std::byte* line = rows + j * 64;
    _mm_prefetch(line + kPrefetchBytes, _MM_HINT_T0);
    _mm_prefetch(line + Int4Block::kHalfBytes + kPrefetchBytes, _MM_HINT_T0);
    const __m512i a = load_line(line), b = load_line(line + Int4Block::kHalfBytes);
    const auto low = [&](__m512i codes) { return _mm512_shuffle_epi8(levels, _mm512_and_si512(codes, nibble)); };
    multiply_lines(low(a), low(b), x + j * 4, Int4Block::kColumns, sums);
    multiply_lines(low(_mm512_srli_epi16(a, 4)), low(_mm512_srli_epi16(b, 4)), x + Int4Block::kColumns / 2 + j * 4, Int4Block::kColumns,
                   sums);
  }
}

// One block times `kTokens` tokens.
template <class Block, int kTokens>
void multiply_tile(const std::byte* block, const QuantizedTokens& x, float* y) {
  __m512i sums[kTokens][2];
  for (int t = 0; t < kTokens; ++t) sums[t][0] = sums[t][1] = _mm512_set1_epi32(x.biases[t]);
  multiply_block(Block{}, block + kScaleBytes, x.values, sums);
  for (int half = 0; half < 2; ++half) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + half * 32));
    const __m512 scales = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
    for (int t = 0; t < kTokens; ++t) {
      float* at = y + t * kPanelRows + half * 16;
      const __m512 step = _mm512_mul_ps(_mm512_set1_ps(x.scales[t]), scales);
      _mm512_storeu_ps(at, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[t][half]), step, _mm512_loadu_ps(at)));
    }
  }
}

using TileFunction = void (*)(const std::byte*, const QuantizedTokens&, float*);

template <class Block, int... kTokens>
TileFunction tile_function(int64_t tokens, std::integer_sequence<int, kTokens...>) {
  static constexpr TileFunction kFunctions[] = {multiply_tile<Block, kTokens + 1>...};
  return kFunctions[tokens - 1];
}

template <class Block>
void multiply(const PanelProduct& task) {
  for (int64_t group = 0; group < task.num_groups; ++group) {
    for (int64_t token = 0; token < task.num_tokens; token += kMaxTile) {
      const int64_t left = task.num_tokens - token, count = left < kMaxTile ? left : kMaxTile;
      tile_function<Block>(count, std::make_integer_sequence<int, kMaxTile>{})(task.blocks + group * Block::kBytes, task.x.at(group, token),
                                                                               task.y + token * kPanelRows);
    }
  }
}

}  // namespace

QuantizedKernel quantized_kernel_vnni() {
  return {.quantize_group = quantize_group,
          .multiply_int8 = multiply<Int8Block>,
          .multiply_int4 = multiply<Int4Block>,
          .token_padding = 1};
}

}  // namespace poro
