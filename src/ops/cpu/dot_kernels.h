// Products of rows: every output is a dot product along the inputs, in f32, for weights in f32, f16 or bf16
// used as they are stored. The inputs are cut into chunks of a fixed length. Within a chunk each (token,
// output) pair has one vector of partial sums, which is then summed in a fixed order and added to the output.
// So the result of a pair depends neither on the number of tokens beside it, nor on the threads, nor on the
// tile that computed it. Compiled by kernels_<level>.cpp.
#pragma once

#include "ops/cpu/kernels.h"
#include "ops/cpu/row_kernels.h"
#include "ops/cpu/simd.h"

namespace poro::PORO_ISA {

constexpr int64_t kChunk = 2048;
// A tile's accumulators and operands fill the registers: 16 of AVX2, 32 of AVX-512 and NEON.
#if defined(__AVX2__) && !defined(__AVX512F__)
constexpr int kTileRows = 3;
#else
constexpr int kTileRows = 6;
#endif
constexpr int kTileTokens = 4;
constexpr int kStreamedRows = 4;       // Rows read side by side when the weights come from memory once.
constexpr int64_t kFewTokens = 8;      // Up to here the product is bound by reading the weights.
constexpr int64_t kBlockTokens = 128;  // Tokens whose chunk of x stays in the second-level cache.

// One chunk of `kRows` rows of weights and `kTokens` tokens. Strides are in elements.
template <class W>
struct Tile {
  const W* w;
  int64_t w_stride;
  const W* next;  // What will be read after this chunk of w, fetched ahead; or none.
  const float* x;
  int64_t x_stride;
  float* y;
  int64_t y_stride;
  int64_t length;
};

template <int kRows, int kTokens, class W>
PORO_INLINE void dot_tile(const Tile<W>& tile) {
  Vec sums[kRows][kTokens] = {};
  const int64_t whole = tile.length / kLanes * kLanes, rest = tile.length - whole;
  for (int64_t i = 0; i < whole; i += kLanes) {
    Vec x[kTokens];
#pragma GCC unroll 8
    for (int t = 0; t < kTokens; ++t) x[t] = load(tile.x + t * tile.x_stride + i);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Vec w = load(tile.w + r * tile.w_stride + i);
      if (tile.next != nullptr) __builtin_prefetch(tile.next + r * tile.w_stride + i, 0, 2);
#pragma GCC unroll 8
      for (int t = 0; t < kTokens; ++t) sums[r][t] = fma(w, x[t], sums[r][t]);
    }
  }
  if (rest > 0)
    for (int r = 0; r < kRows; ++r)
      for (int t = 0; t < kTokens; ++t)
        sums[r][t] = fma(load_partial(tile.w + r * tile.w_stride + whole, rest),
                         load_partial(tile.x + t * tile.x_stride + whole, rest), sums[r][t]);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int t = 0; t < kTokens; ++t) tile.y[t * tile.y_stride + r] += sum(sums[r][t]);
}

// All tokens, in tiles of kTileTokens and one smaller one.
template <int kRows, class W>
void dot_rows(Tile<W> tile, int64_t tokens) {
  for (; tokens >= kTileTokens; tokens -= kTileTokens) {
    dot_tile<kRows, kTileTokens>(tile);
    tile.x += kTileTokens * tile.x_stride;
    tile.y += kTileTokens * tile.y_stride;
    tile.next = nullptr;
  }
  if (tokens == 3) dot_tile<kRows, 3>(tile);
  if (tokens == 2) dot_tile<kRows, 2>(tile);
  if (tokens == 1) dot_tile<kRows, 1>(tile);
}

template <class W>
void dot_few(const DotArgs& args, const W* w) {
  for (int64_t o = args.first; o < args.last;) {
    const bool is_group = o + kStreamedRows <= args.last;
    const int64_t rows = is_group ? kStreamedRows : 1;
    for (int64_t begin = 0; begin < args.inputs; begin += kChunk) {
      const int64_t length = args.inputs - begin < kChunk ? args.inputs - begin : kChunk;
      const W* here = w + o * args.inputs + begin;
      const bool is_last_chunk = begin + kChunk >= args.inputs;
      const W* next = is_last_chunk ? w + (o + rows) * args.inputs : here + kChunk;
      if (is_last_chunk && o + 2 * rows > args.last) next = nullptr;
      const Tile<W> tile = {.w = here,
                            .w_stride = args.inputs,
                            .next = next,
                            .x = args.x + begin,
                            .x_stride = args.inputs,
                            .y = args.y + o,
                            .y_stride = args.outputs,
                            .length = length};
      if (is_group)
        dot_rows<kStreamedRows>(tile, args.tokens);
      else
        dot_rows<1>(tile, args.tokens);
    }
    o += rows;
  }
}

template <class W>
void dot_many(const DotArgs& args, const W* w) {
  for (int64_t token = 0; token < args.tokens; token += kBlockTokens) {
    const int64_t tokens = args.tokens - token < kBlockTokens ? args.tokens - token : kBlockTokens;
    for (int64_t begin = 0; begin < args.inputs; begin += kChunk) {
      const int64_t length = args.inputs - begin < kChunk ? args.inputs - begin : kChunk;
      for (int64_t o = args.first; o < args.last;) {
        const int64_t rows = o + kTileRows <= args.last ? kTileRows : 1;
        for (int64_t r = 0; r < rows; ++r)
          convert_typed(w + (o + r) * args.inputs + begin, args.scratch + r * kChunk, length);
        const Tile<float> tile = {.w = args.scratch,
                                  .w_stride = kChunk,
                                  .next = nullptr,
                                  .x = args.x + token * args.inputs + begin,
                                  .x_stride = args.inputs,
                                  .y = args.y + token * args.outputs + o,
                                  .y_stride = args.outputs,
                                  .length = length};
        if (rows == kTileRows)
          dot_rows<kTileRows>(tile, tokens);
        else
          dot_rows<1>(tile, tokens);
        o += rows;
      }
    }
  }
}

inline void dot(const DotArgs& args) {
  for (int64_t t = 0; t < args.tokens; ++t)
    for (int64_t o = args.first; o < args.last; ++o)
      args.y[t * args.outputs + o] = args.residual == nullptr ? 0.0f : args.residual[t * args.outputs + o];
  with_type(args.w_dtype, args.w, [&](const auto* w) {
    if (args.tokens <= kFewTokens)
      dot_few(args, w);
    else
      dot_many(args, w);
  });
}

// The compiler does not know the value any longer.
PORO_INLINE void hide(Vec& value) {
#if defined(__x86_64__)
  asm volatile("" : "+x"(value));
#elif defined(__aarch64__)
  asm volatile("" : "+w"(value));
#else
  asm volatile("" : "+m"(value));
#endif
}

inline double fma_rounds(int64_t rounds) {
  constexpr int kChains =
      12;  // Hides the latency of two units of four cycles, and fits the registers of AVX2.
  Vec sums[kChains] = {}, a = {}, b = {};
  for (Vec& chain : sums) hide(chain);  // Equal chains would become one.
  for (int64_t round = 0; round < rounds; ++round) {
    hide(a);
    hide(b);
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) sums[i] = fma(a, b, sums[i]);
  }
  for (Vec& chain : sums) hide(chain);
  return static_cast<double>(rounds) * kChains * kLanes * 2;
}

}  // namespace poro::PORO_ISA
