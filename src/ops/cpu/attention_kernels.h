// Attention over blocks of keys with a running softmax (Milakov and Gimelshein, Online normalizer calculation
// for softmax, 2018; Dao et al., FlashAttention, 2022), in f32. A block of keys is turned on its side once,
// so that scores and weighted sums are both products of a few rows with a matrix that lies in the
// second-level cache, for all the query rows that share it. A row's result depends on its own keys alone,
// never on the rows or threads beside it. Compiled by kernels_<level>.cpp.
#pragma once

#include "ops/cpu/kernels.h"
#include "ops/cpu/row_kernels.h"
#include "ops/cpu/simd.h"

namespace poro::PORO_ISA {

constexpr int kAttentionTileVecs = 4;
#if defined(__AVX2__) && !defined(__AVX512F__)
constexpr int kAttentionTileRows = 3;
#else
constexpr int kAttentionTileRows = 6;
#endif

// rows x columns: out[r] = factors[r] * out[r] + a[r] . b, where b has `depth` rows. Strides in elements.
struct Product {
  const float* a;
  int64_t a_stride;
  const float* b;
  int64_t b_stride;
  float* out;
  int64_t out_stride;
  const float* factors;  // Or none: `out` is written anew.
  int64_t depth;
};

template <int kRows, int kVecs>
PORO_INLINE void product_tile(const Product& p) {
  Vec sums[kRows][kVecs];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v)
      sums[r][v] = p.factors == nullptr ? Vec{} : load(p.out + r * p.out_stride + v * kLanes) * p.factors[r];
  for (int64_t i = 0; i < p.depth; ++i) {
    Vec b[kVecs];
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) b[v] = load(p.b + i * p.b_stride + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Vec a = splat(p.a[r * p.a_stride + i]);
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) sums[r][v] = fma(a, b[v], sums[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) store(p.out + r * p.out_stride + v * kLanes, sums[r][v]);
}

template <int kRows>
void product_rows(Product p, int64_t vecs) {
  for (; vecs >= kAttentionTileVecs; vecs -= kAttentionTileVecs) {
    product_tile<kRows, kAttentionTileVecs>(p);
    p.b += kAttentionTileVecs * kLanes;
    p.out += kAttentionTileVecs * kLanes;
  }
  for (; vecs > 0; --vecs) {
    product_tile<kRows, 1>(p);
    p.b += kLanes;
    p.out += kLanes;
  }
}

inline void product(Product p, int64_t rows, int64_t vecs) {
  const auto step = [&](int64_t count) {
    p.a += count * p.a_stride;
    p.out += count * p.out_stride;
    if (p.factors != nullptr) p.factors += count;
  };
  for (; rows >= kAttentionTileRows; rows -= kAttentionTileRows) {
    product_rows<kAttentionTileRows>(p, vecs);
    step(kAttentionTileRows);
  }
  if (rows >= 4) {
    product_rows<4>(p, vecs);
    step(4);
    rows -= 4;
  }
  if (rows >= 2) {
    product_rows<2>(p, vecs);
    step(2);
    rows -= 2;
  }
  if (rows == 1) product_rows<1>(p, vecs);
}

typedef float Four __attribute__((vector_size(16)));
typedef int32_t FourInts __attribute__((vector_size(16)));

PORO_INLINE Four load_four(const float* from) {
  Four four;
  std::memcpy(&four, from, sizeof four);
  return four;
}
PORO_INLINE Four load_four(const Bf16* from) {
  typedef uint16_t FourHalves __attribute__((vector_size(8)));
  FourHalves bits;
  std::memcpy(&bits, from, sizeof bits);
  return (Four)(__builtin_convertvector(bits, FourInts) << 16);
}
PORO_INLINE Four load_four(const F16* from) {
  float lanes[kLanes];
  store(lanes, load_partial(from, 4));
  return load_four(lanes);
}

// Four rows of four become columns kAttentionBlock apart.
template <class T>
PORO_INLINE void transpose_four(const T* const* rows, int64_t d, float* to) {
  const Four a = load_four(rows[0] + d), b = load_four(rows[1] + d), c = load_four(rows[2] + d),
             e = load_four(rows[3] + d);
  const Four low_ab = __builtin_shufflevector(a, b, 0, 4, 1, 5),
             high_ab = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Four low_ce = __builtin_shufflevector(c, e, 0, 4, 1, 5),
             high_ce = __builtin_shufflevector(c, e, 2, 6, 3, 7);
  const Four columns[4] = {__builtin_shufflevector(low_ab, low_ce, 0, 1, 4, 5),
                           __builtin_shufflevector(low_ab, low_ce, 2, 3, 6, 7),
                           __builtin_shufflevector(high_ab, high_ce, 0, 1, 4, 5),
                           __builtin_shufflevector(high_ab, high_ce, 2, 3, 6, 7)};
  for (int i = 0; i < 4; ++i) std::memcpy(to + i * kAttentionBlock, &columns[i], sizeof columns[i]);
}

PORO_INLINE int64_t at_position(const AttentionArgs& args, int64_t position) {
  return args.pages[position / args.page_size] * args.page_stride +
         position % args.page_size * args.position_stride;
}

// Keys [begin, begin + count) as columns: (D, kAttentionBlock). Columns behind them become zero.
template <class T>
void turn_keys(const AttentionArgs& args, const T* keys, int64_t begin, int64_t count, float* turned) {
  static constexpr T kZeros[4] = {};
  for (int64_t key = 0; key < kAttentionBlock; key += 4) {
    const T* rows[4];
    for (int i = 0; i < 4; ++i)
      rows[i] = key + i < count ? keys + at_position(args, begin + key + i) : nullptr;
    if (key >= count) {
      for (int64_t d = 0; d < args.head_dim; ++d)
        std::memset(turned + d * kAttentionBlock + key, 0, 4 * sizeof(float));
      continue;
    }
    int64_t d = 0;
    for (; d + 4 <= args.head_dim; d += 4) {
      const T* here[4];
      for (int i = 0; i < 4; ++i) here[i] = rows[i] != nullptr ? rows[i] + d : kZeros;
      transpose_four(here, 0, turned + d * kAttentionBlock + key);
    }
    for (; d < args.head_dim; ++d)
      for (int i = 0; i < 4; ++i) {
        float lanes[kLanes] = {};
        if (rows[i] != nullptr) store(lanes, load_partial(rows[i] + d, 1));
        turned[d * kAttentionBlock + key + i] = lanes[0];
      }
  }
}

template <class T>
void widen_values(const AttentionArgs& args, const T* values, int64_t begin, int64_t count, float* widened) {
  const int64_t width = padded_head_dim(args.head_dim), whole = args.head_dim / kLanes * kLanes;
  for (int64_t s = 0; s < count; ++s) {
    const T* from = values + at_position(args, begin + s);
    float* to = widened + s * width;
    for (int64_t d = 0; d < whole; d += kLanes) store(to + d, load(from + d));
    for (int64_t d = whole; d < width; d += kLanes)
      store(to + d, d < args.head_dim ? load_partial(from + d, args.head_dim - d) : Vec{});
  }
}

// Scores of a row become weights, those from `visible` on zero. Returns the factor for what was summed under
// the old highest.
PORO_INLINE float soften(float* scores, int64_t visible, float& highest, float& weight) {
  for (int64_t i = visible; i < kAttentionBlock; ++i) scores[i] = -__builtin_inff();
  Vec top = load(scores);
  for (int64_t i = kLanes; i < kAttentionBlock; i += kLanes) top = larger(load(scores + i), top);
  const float block_highest = largest(top);
  const float new_highest = block_highest > highest ? block_highest : highest;
  float factors[kLanes];
  store(factors, exp(splat(highest - new_highest)));
  Vec total = {};
  for (int64_t i = 0; i < kAttentionBlock; i += kLanes) {
    const Vec weights = exp(load(scores + i) - new_highest);
    store(scores + i, weights);
    total += weights;
  }
  weight = weight * factors[0] + sum(total);
  highest = new_highest;
  return factors[0];
}

template <class T>
void attend_typed(const AttentionArgs& args, const T* keys, int64_t chunk, const AttentionPart& part) {
  const int64_t width = padded_head_dim(args.head_dim), rows = args.tokens * args.group;
  float* q = args.scratch;
  float* scores = q + rows * width;
  float* factors = scores + rows * kAttentionBlock;
  float* turned = factors + rows;
  float* widened = turned + width * kAttentionBlock;

  const float scale = static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(args.head_dim)));
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = args.q + row / args.group * args.token_stride + row % args.group * args.head_dim;
    for (int64_t d = 0; d < args.head_dim; ++d) q[row * width + d] = from[d] * scale;
    part.highest[row] = -__builtin_inff();
    part.weight[row] = 0;
  }
  std::memset(part.sums, 0, static_cast<size_t>(rows * width) * sizeof(float));

  const int64_t last_visible = args.first_position + args.tokens, chunk_end = (chunk + 1) * kAttentionChunk;
  const int64_t end = chunk_end < last_visible ? chunk_end : last_visible;
  for (int64_t begin = chunk * kAttentionChunk; begin < end; begin += kAttentionBlock) {
    const int64_t count = end - begin < kAttentionBlock ? end - begin : kAttentionBlock;
    // Tokens before `begin` see nothing of this block.
    const int64_t first_token = begin > args.first_position ? begin - args.first_position : 0;
    const int64_t first = first_token * args.group;
    turn_keys(args, keys, begin, count, turned);
    product({.a = q + first * width,
             .a_stride = width,
             .b = turned,
             .b_stride = kAttentionBlock,
             .out = scores + first * kAttentionBlock,
             .out_stride = kAttentionBlock,
             .factors = nullptr,
             .depth = args.head_dim},
            rows - first, kAttentionBlock / kLanes);
    for (int64_t row = first; row < rows; ++row) {
      const int64_t visible = args.first_position + row / args.group + 1 - begin;
      factors[row] = soften(scores + row * kAttentionBlock, visible < count ? visible : count,
                            part.highest[row], part.weight[row]);
    }
    widen_values(args, static_cast<const T*>(args.values), begin, count, widened);
    product({.a = scores + first * kAttentionBlock,
             .a_stride = kAttentionBlock,
             .b = widened,
             .b_stride = width,
             .out = part.sums + first * width,
             .out_stride = width,
             .factors = factors + first,
             .depth = count},
            rows - first, width / kLanes);
  }
}

inline void attend(const AttentionArgs& args, int64_t chunk, const AttentionPart& part) {
  with_type(args.dtype, args.keys, [&](const auto* keys) { attend_typed(args, keys, chunk, part); });
}

// `all` takes in the part of later positions. A row that sees none of them keeps its bits.
inline void merge(const AttentionArgs& args, const AttentionPart& all, const AttentionPart& next) {
  const int64_t width = padded_head_dim(args.head_dim);
  for (int64_t row = 0; row < args.tokens * args.group; ++row) {
    const float highest = all.highest[row] > next.highest[row] ? all.highest[row] : next.highest[row];
    float factors[kLanes], next_factors[kLanes];
    store(factors, exp(splat(all.highest[row] - highest)));
    store(next_factors, exp(splat(next.highest[row] - highest)));
    float* sums = all.sums + row * width;
    const float* next_sums = next.sums + row * width;
    for (int64_t d = 0; d < width; d += kLanes)
      store(sums + d, fma(load(next_sums + d), splat(next_factors[0]), load(sums + d) * factors[0]));
    all.weight[row] = all.weight[row] * factors[0] + next.weight[row] * next_factors[0];
    all.highest[row] = highest;
  }
}

inline void finish(const AttentionArgs& args, const AttentionPart& all) {
  const int64_t width = padded_head_dim(args.head_dim);
  for (int64_t row = 0; row < args.tokens * args.group; ++row) {
    const int64_t token = row / args.group, head = row % args.group;
    float* y = args.y + token * args.token_stride + head * args.head_dim;
    const float scale = 1.0f / all.weight[row];
    for (int64_t d = 0; d < args.head_dim; ++d) y[d] = all.sums[row * width + d] * scale;
    if (args.lse != nullptr)
      args.lse[token * args.lse_stride + head] =
          all.highest[row] + static_cast<float>(__builtin_log(static_cast<double>(all.weight[row])));
  }
}

}  // namespace poro::PORO_ISA
