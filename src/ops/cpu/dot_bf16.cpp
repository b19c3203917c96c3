// Dot products of bf16 by vdpbf16ps, which multiplies 32 pairs per instruction: the many-token product where
// there are no tiles and this instruction is faster than f32 arithmetic. The same chunks and the same order
// for any number of tokens as in dot_kernels.h; both operands are read as they lie, 32 inputs of a row at a
// time.
#include "ops/cpu/dot_bf16.h"

#include <immintrin.h>

namespace poro::bf16 {
namespace {

constexpr int64_t kStep = 32;
constexpr int64_t kChunk = 2048;
constexpr int64_t kTileRows = 6, kTileTokens = 4;
constexpr int64_t kBlockTokens = 128;  // Tokens whose chunk stays in the second-level cache.

int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

struct Tile {
  const BFloat16* w;
  int64_t w_stride;
  const BFloat16* x;
  int64_t x_stride;
  float* y;
  int64_t y_stride;
  int64_t length;  // Of w; x has zeros up to a multiple of kStep.
};

template <int kRows, int kTokens>
[[gnu::always_inline]] inline void dot_tile(const Tile& tile) {
  __m512 sums[kRows][kTokens];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int t = 0; t < kTokens; ++t) sums[r][t] = _mm512_setzero_ps();
  for (int64_t i = 0; i < tile.length; i += kStep) {
    const int64_t left = tile.length - i;
    const __mmask32 lanes = left >= kStep ? ~__mmask32{0} : (__mmask32{1} << left) - 1;
    __m512bh x[kTokens];
#pragma GCC unroll 8
    for (int t = 0; t < kTokens; ++t) x[t] = (__m512bh)_mm512_loadu_si512(tile.x + t * tile.x_stride + i);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m512bh w = (__m512bh)_mm512_maskz_loadu_epi16(lanes, tile.w + r * tile.w_stride + i);
#pragma GCC unroll 8
      for (int t = 0; t < kTokens; ++t) sums[r][t] = _mm512_dpbf16_ps(sums[r][t], w, x[t]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int t = 0; t < kTokens; ++t) tile.y[t * tile.y_stride + r] += _mm512_reduce_add_ps(sums[r][t]);
}

// All tokens; meanwhile the chunks of the next rows are fetched, some lines per tile, as if they lay
// `fetched_rows` further.
template <int kRows>
void dot_rows(Tile tile, int64_t tokens, int64_t fetched_rows) {
  const int64_t tiles = (tokens + kTileTokens - 1) / kTileTokens, lines = (tile.length * 2 + 63) / 64;
  const int64_t lines_per_tile = (fetched_rows * lines + tiles - 1) / tiles;
  int64_t fetched = 0;
  for (; tokens > 0; tokens -= kTileTokens) {
    for (int64_t i = 0; i < lines_per_tile && fetched < fetched_rows * lines; ++i, ++fetched)
      _mm_prefetch(reinterpret_cast<const char*>(tile.w + (kRows + fetched / lines) * tile.w_stride) +
                       fetched % lines * 64,
                   _MM_HINT_T1);
    if (tokens >= kTileTokens) dot_tile<kRows, kTileTokens>(tile);
    if (tokens == 3) dot_tile<kRows, 3>(tile);
    if (tokens == 2) dot_tile<kRows, 2>(tile);
    if (tokens == 1) dot_tile<kRows, 1>(tile);
    tile.x += kTileTokens * tile.x_stride;
    tile.y += kTileTokens * tile.y_stride;
  }
}

}  // namespace

void round_rows(const RoundArgs& args) {
  const int64_t padded = padded_inputs(args.inputs);
  for (int64_t t = args.first; t < args.last; ++t)
    for (int64_t i = 0; i < padded; i += kStep / 2) {
      const int64_t left = args.inputs - i;
      const __mmask16 lanes = left >= 16  ? __mmask16{0xffff}
                              : left <= 0 ? __mmask16{0}
                                          : static_cast<__mmask16>((1u << left) - 1);
      const __m512 value = _mm512_maskz_loadu_ps(lanes, args.x + t * args.inputs + i);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(args.rounded + t * padded + i),
                          (__m256i)_mm512_cvtneps_pbh(value));
    }
}

void dot(const DotArgs& args) {
  const int64_t x_stride = padded_inputs(args.inputs);
  for (int64_t t = 0; t < args.tokens; ++t)
    for (int64_t o = args.first; o < args.last; ++o)
      args.y[t * args.outputs + o] = args.residual == nullptr ? 0.0f : args.residual[t * args.outputs + o];
  for (int64_t token = 0; token < args.tokens; token += kBlockTokens) {
    const int64_t tokens = smaller(kBlockTokens, args.tokens - token);
    for (int64_t begin = 0; begin < args.inputs; begin += kChunk)
      for (int64_t o = args.first; o < args.last;) {
        const Tile tile = {.w = args.w + o * args.inputs + begin,
                           .w_stride = args.inputs,
                           .x = args.x + token * x_stride + begin,
                           .x_stride = x_stride,
                           .y = args.y + token * args.outputs + o,
                           .y_stride = args.outputs,
                           .length = smaller(kChunk, args.inputs - begin)};
        const bool is_tile = o + kTileRows <= args.last;
        const int64_t rows = is_tile ? kTileRows : 1, left = args.last - o - rows;
        if (is_tile)
          dot_rows<kTileRows>(tile, tokens, smaller(left, kTileRows));
        else
          dot_rows<1>(tile, tokens, smaller(left, 1));
        o += rows;
      }
  }
}

double rounds(int64_t count) {
  __m512 sums[16];
  for (__m512& sum : sums) {
    sum = _mm512_setzero_ps();
    asm volatile("" : "+v"(sum));  // Equal chains would become one.
  }
  __m512bh a = (__m512bh)_mm512_setzero_si512(), b = a;
  for (int64_t round = 0; round < count; ++round) {
    asm volatile("" : "+v"(a), "+v"(b));  // Not known to be zero.
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], a, b);
  }
  for (__m512& sum : sums) asm volatile("" : "+v"(sum));
  return static_cast<double>(count) * 16 * 64;
}

}  // namespace poro::bf16
