// AVX-512 VNNI: one instruction adds the four-byte dot products of sixteen rows. It wants unsigned weights
// and signed tokens, so the weights are lifted by 128 and the sums start at -128 times the sum of the tokens'
// values. A block's weights are read and unpacked once for up to twelve tokens, whose sums stay in registers.
#include <immintrin.h>

#include <array>
#include <utility>

#include "ops/cpu/linear_quantized.h"

namespace poro {
namespace {

constexpr int kMaxTile =
    12;  // Tokens at a time: 24 sums, and room for weights and constants in 32 registers.
constexpr int kPrefetchBytes = 4096;  // How far ahead of the slice in use memory is asked for.

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
    const __m512i level =
        _mm512_max_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(part(i), inverse)), _mm512_set1_epi32(-127));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to.values + i), _mm512_cvtsepi32_epi8(level));
    sum = _mm512_add_epi32(sum, level);
  }
  *to.scales = largest * (1.0f / 127.0f);
  *to.biases = -128 * _mm512_reduce_add_epi32(sum);
}

inline __m512i load_line(const std::byte* line) {
  return _mm512_loadu_si512(line);
}

// The unsigned weights of one slice: rows 0..15 and 16..31 of each of its quads of columns.
template <int kQuads>
struct Weights {
  __m512i rows0[kQuads], rows1[kQuads];
};

inline Weights<1> unpack(const Int8Block&, const std::byte* slice) {
  const __m512i lift = _mm512_set1_epi8(-128);
  return {{_mm512_xor_si512(load_line(slice), lift)}, {_mm512_xor_si512(load_line(slice + 64), lift)}};
}

inline Weights<2> unpack(const Int4Block&, const std::byte* slice) {
  alignas(16) static constexpr std::array<uint8_t, 16> kLifted = [] {
    std::array<uint8_t, 16> lifted{};
    for (size_t code = 0; code < 16; ++code) lifted[code] = static_cast<uint8_t>(kInt4Levels[code] + 128);
    return lifted;
  }();
  const __m512i levels =
      _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(kLifted.data())));
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i a = load_line(slice), b = load_line(slice + 64);
  return {{_mm512_shuffle_epi8(levels, _mm512_and_si512(a, nibble)),
           _mm512_shuffle_epi8(levels, _mm512_and_si512(_mm512_srli_epi16(a, 4), nibble))},
          {_mm512_shuffle_epi8(levels, _mm512_and_si512(b, nibble)),
           _mm512_shuffle_epi8(levels, _mm512_and_si512(_mm512_srli_epi16(b, 4), nibble))}};
}

// sums + the dot products of four bytes each. In assembler, because GCC 12 copies or spills every sum around
// the intrinsic.
inline __m512i add_dot(__m512i sums, __m512i w, __m512i x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(w), "v"(x));
  return sums;
}

// Four columns of a token, for every row.
inline __m512i load_quad(const int8_t* x) {
  int32_t bytes;
  __builtin_memcpy(&bytes, x, 4);
  return _mm512_set1_epi32(bytes);
}

// The scales of sixteen rows.
inline __m512 load_scales(const std::byte* scales) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

// y + sums * step, for a row of each lane.
inline __m512 add_sums(__m512 y, __m512i sums, __m512 step) {
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), step, y);
}

// The blocks of a panel times `kTokens` tokens. The results of few tokens stay in registers from group to
// group.
template <class Block, int kTokens>
void multiply_tile(const PanelProduct& task) {
  constexpr bool kKeepsResults = kTokens <= 4;
  constexpr int64_t kQuads = Block::kColumns / 4 / Block::kSlices;  // Of a slice.
  float* y = task.y;
  __m512 y0[kTokens], y1[kTokens];
  if constexpr (kKeepsResults)
    for (int t = 0; t < kTokens; ++t) {
      y0[t] = _mm512_loadu_ps(y + t * kPanelRows);
      y1[t] = _mm512_loadu_ps(y + t * kPanelRows + 16);
    }
  const std::byte* block = task.blocks;
  QuantizedTokens x = task.x;
  for (int64_t group = 0; group < task.num_groups; ++group, block += Block::kBytes, x = x.at(1, 0)) {
    __m512i sums0[kTokens], sums1[kTokens];
    for (int t = 0; t < kTokens; ++t) sums0[t] = sums1[t] = _mm512_set1_epi32(x.biases[t]);
    for (int64_t j = 0; j < Block::kSlices; ++j) {
      const std::byte* slice = block + kScaleBytes + j * kSliceBytes;
      _mm_prefetch(slice + kPrefetchBytes, _MM_HINT_T0);
      _mm_prefetch(slice + kPrefetchBytes + 64, _MM_HINT_T0);
      const Weights<kQuads> w = unpack(Block{}, slice);
      for (int t = 0; t < kTokens; ++t) {
        const int8_t* token = x.values + t * Block::kColumns + j * 4;
        const __m512i quad = load_quad(token);
        sums0[t] = add_dot(sums0[t], w.rows0[0], quad);
        sums1[t] = add_dot(sums1[t], w.rows1[0], quad);
        if constexpr (kQuads == 2) {
          const __m512i second_quad = load_quad(token + Block::kColumns / 2);
          sums0[t] = add_dot(sums0[t], w.rows0[1], second_quad);
          sums1[t] = add_dot(sums1[t], w.rows1[1], second_quad);
        }
      }
    }
    const __m512 scales0 = load_scales(block), scales1 = load_scales(block + 32);
    for (int t = 0; t < kTokens; ++t) {
      const __m512 x_scale = _mm512_set1_ps(x.scales[t]);
      const __m512 step0 = _mm512_mul_ps(x_scale, scales0), step1 = _mm512_mul_ps(x_scale, scales1);
      float* at = y + t * kPanelRows;
      if constexpr (kKeepsResults) {
        y0[t] = add_sums(y0[t], sums0[t], step0);
        y1[t] = add_sums(y1[t], sums1[t], step1);
      } else {
        _mm512_storeu_ps(at, add_sums(_mm512_loadu_ps(at), sums0[t], step0));
        _mm512_storeu_ps(at + 16, add_sums(_mm512_loadu_ps(at + 16), sums1[t], step1));
      }
    }
  }
  if constexpr (kKeepsResults)
    for (int t = 0; t < kTokens; ++t) {
      _mm512_storeu_ps(y + t * kPanelRows, y0[t]);
      _mm512_storeu_ps(y + t * kPanelRows + 16, y1[t]);
    }
}

using TileFunction = void (*)(const PanelProduct&);

template <class Block, int... kTokens>
TileFunction tile_function(int64_t tokens, std::integer_sequence<int, kTokens...>) {
  static constexpr TileFunction kFunctions[] = {multiply_tile<Block, kTokens + 1>...};
  return kFunctions[tokens - 1];
}

// One tile passes all the groups; several pass a block while it lies in the first-level cache.
template <class Block>
void multiply(const PanelProduct& task) {
  constexpr auto kTiles = std::make_integer_sequence<int, kMaxTile>{};
  if (task.num_tokens <= kMaxTile) return tile_function<Block>(task.num_tokens, kTiles)(task);
  const int64_t num_tiles = (task.num_tokens + kMaxTile - 1) / kMaxTile,
                tile = (task.num_tokens + num_tiles - 1) / num_tiles;
  for (int64_t group = 0; group < task.num_groups; ++group)
    for (int64_t token = 0; token < task.num_tokens; token += tile) {
      const int64_t left = task.num_tokens - token, count = left < tile ? left : tile;
      tile_function<Block>(count, kTiles)({.blocks = task.blocks + group * Block::kBytes,
                                           .num_groups = 1,
                                           .x = task.x.at(group, token),
                                           .num_tokens = count,
                                           .y = task.y + token * kPanelRows});
    }
}

}  // namespace

QuantizedKernel quantized_kernel_vnni() {
  return {.quantize_group = quantize_group,
          .multiply_int8 = multiply<Int8Block>,
          .multiply_int4 = multiply<Int4Block>,
          .token_tile = 1};
}

}  // namespace poro
