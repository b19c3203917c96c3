// A unit of queries against its keys with a running softmax (Dao et al., FlashAttention, 2022). Scores lie
// on their side, (keys, queries): then their maxima and sums are sums of vectors, and the weights, rounded
// to bf16, are two by two in turns the right operand of the next product, out^T = V^T weights^T.
#pragma once

#include "ops/cpu/attention_tiles_rows.h"

namespace poro::PORO_ISA {

inline void pack_keys(const TiledAttentionArgs& args, int64_t first, int64_t last) {
  const int64_t bytes = attention_unit_bytes(args.head_dim);
  for (int64_t unit = first; unit < last; ++unit) {
    pack_unit<Packing::kRows>(key_rows(args.k, unit, args.tokens, args.key_stride), args.head_dim,
                              args.keys + unit * bytes);
    pack_unit<Packing::kPairsTurned>(key_rows(args.v, unit, args.tokens, args.key_stride), args.head_dim,
                                     args.values + unit * bytes);
  }
}

// Of the sixteen queries of half a unit.
struct RunningSoftmax {
  __m512 highest = _mm512_set1_ps(-1e30f);  // Of the scores so far, scaled
  __m512 weight = _mm512_setzero_ps();
  __m512 factor = _mm512_setzero_ps();  // For what was summed under the highest before
};

struct Scores {
  float* scores;  // (keys, two tiles)
  std::byte* weights;
  int64_t first_key, keys;
  float scale;  // In powers of two
};

PORO_INLINE float* score_row(float* scores, int64_t key, int half) {
  return scores + key / 16 * kPairFloats + half * (kPairFloats / 2) + key % 16 * 16;
}

template <bool kIsMasked>
inline void find_highest(const Scores& s, const UnitSight& sight, RunningSoftmax (&softmax)[2]) {
  const __m512 none = _mm512_set1_ps(-__builtin_inff());
  for (int half = 0; half < 2; ++half) {
    const Sight seen = sight.half(half);
    __m512 top[2] = {none, none};
    for (int64_t key = 0; key < s.keys; ++key) {
      float* row = score_row(s.scores, key, half);
      __m512 score = _mm512_load_ps(row);
      if constexpr (kIsMasked) {
        score = _mm512_mask_mov_ps(none, seen.of(s.first_key + key), score);
        _mm512_store_ps(row, score);
      }
      top[key % 2] = _mm512_max_ps(top[key % 2], score);
    }
    const __m512 highest = _mm512_max_ps(
        softmax[half].highest, _mm512_mul_ps(_mm512_max_ps(top[0], top[1]), _mm512_set1_ps(s.scale)));
    softmax[half].factor = power_of_two(_mm512_sub_ps(softmax[half].highest, highest));
    softmax[half].highest = highest;
  }
}

// Scores become weights in the order of a right operand.
template <bool kIsMasked>
inline void soften(const Scores& s, RunningSoftmax (&softmax)[2]) {
  const __m512 scale = _mm512_set1_ps(s.scale);
  __m512 totals[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  for (int64_t key = 0; key < s.keys; key += 2) {
    __m512i halves[2];
    for (int i = 0; i < 2; ++i) {
      __m512 weights[2];
      for (int half = 0; half < 2; ++half) {
        const __m512 score = _mm512_load_ps(score_row(s.scores, key + i, half));
        weights[half] = power_of_two(_mm512_fmsub_ps(score, scale, softmax[half].highest));
        if constexpr (kIsMasked)
          weights[half] = _mm512_maskz_mov_ps(
              _mm512_cmp_ps_mask(score, _mm512_set1_ps(-__builtin_inff()), _CMP_NEQ_UQ), weights[half]);
        totals[half] = _mm512_add_ps(totals[half], weights[half]);
      }
      halves[i] = (__m512i)_mm512_cvtne2ps_pbh(weights[1], weights[0]);
    }
    std::byte* to = s.weights + key / kUnit * kPair + key % kUnit / 2 * 64;
    _mm512_store_si512(to, interleave<0>(halves[0], halves[1]));
    _mm512_store_si512(to + kTile, interleave<16>(halves[0], halves[1]));
  }
  for (int half = 0; half < 2; ++half)
    softmax[half].weight = _mm512_fmadd_ps(softmax[half].weight, softmax[half].factor, totals[half]);
}

// (D, two tiles of queries), times a factor for each query.
inline void scale_columns(float* sums, int64_t head_dim, const RunningSoftmax (&softmax)[2]) {
  for (int half = 0; half < 2; ++half) {
    if (_mm512_cmp_ps_mask(softmax[half].factor, _mm512_set1_ps(1.0f), _CMP_NEQ_UQ) == 0) continue;
    for (int64_t d = 0; d < head_dim; ++d) {
      float* row = score_row(sums, d, half);
      _mm512_store_ps(row, _mm512_mul_ps(_mm512_load_ps(row), softmax[half].factor));
    }
  }
}

inline void write_unit(const TiledAttentionArgs& args, int64_t unit, const float* sums,
                       const RunningSoftmax (&softmax)[2]) {
  alignas(64) float factors[kUnit], highest[kUnit], weight[kUnit];
  for (int half = 0; half < 2; ++half) {
    _mm512_store_ps(factors + 16 * half, _mm512_div_ps(_mm512_set1_ps(1.0f), softmax[half].weight));
    _mm512_store_ps(highest + 16 * half, softmax[half].highest);
    _mm512_store_ps(weight + 16 * half, softmax[half].weight);
  }
  if (args.lse != nullptr)
    for_rows(unit, args.tokens, args.group, [&](int64_t row, int64_t token, int64_t head) {
      args.lse[token * args.lse_stride + head] = highest[row] * kLn2 + __builtin_logf(weight[row]);
    });
  write_queries({.sums = sums, .head_dim = args.head_dim, .factors = factors}, args.y, unit, args.tokens,
                args.group, args.token_stride);
}

template <class Tiles>
void attend_unit(const TiledAttentionArgs& args, int64_t unit, std::byte* scratch) {
  const int64_t head_dim = args.head_dim, bytes = attention_unit_bytes(head_dim);
  std::byte* const queries = scratch;
  float* const sums = reinterpret_cast<float*>(queries + bytes);
  float* const scores = reinterpret_cast<float*>(queries + 3 * bytes);
  std::byte* const weights = queries + 3 * bytes + kTiledKeys * kUnit * 4;
  const float scale = kLog2E / __builtin_sqrtf(static_cast<float>(head_dim));
  const UnitSight sight(unit, args.tokens, args.group, args.starts);
  RunningSoftmax softmax[2];

  Tiles::begin();
  pack_unit<Packing::kColumns>(query_rows(args.q, unit, args.tokens, args.group, args.token_stride, head_dim),
                               head_dim, queries);
  const int64_t first = sight.begin() / kUnit * kUnit;
  for (int64_t begin = first; begin < sight.end(); begin += kTiledKeys) {
    const int64_t left = attention_units(sight.end() - begin), most = kTiledKeys / kUnit;
    const int64_t steps = left < most ? left : most;
    const std::byte* keys = args.keys + begin / kUnit * bytes;
    for (int64_t tile = 0; tile < 2 * steps; ++tile)
      Tiles::multiply({.a = keys + tile / 2 * bytes + tile % 2 * kTile,
                       .a_step = kPair,
                       .b = queries,
                       .b_step = kPair,
                       .steps = head_dim / 32,
                       .from = nullptr,
                       .to = scores + tile * kPairFloats});
    const Scores block = {
        .scores = scores, .weights = weights, .first_key = begin, .keys = steps * kUnit, .scale = scale};
    if (sight.sees_all(begin, begin + steps * kUnit)) {
      find_highest<false>(block, sight, softmax);
      soften<false>(block, softmax);
    } else {
      find_highest<true>(block, sight, softmax);
      soften<true>(block, softmax);
    }
    if (begin > first) scale_columns(sums, head_dim, softmax);
    const std::byte* values = args.values + begin / kUnit * bytes;
    for (int64_t tile = 0; tile < head_dim / 16; ++tile)
      Tiles::multiply({.a = values + tile * kTile,
                       .a_step = bytes,
                       .b = weights,
                       .b_step = kPair,
                       .steps = steps,
                       .from = begin == first ? nullptr : sums + tile * kPairFloats,
                       .to = sums + tile * kPairFloats});
  }
  Tiles::end();
  write_unit(args, unit, sums, softmax);
}

}  // namespace poro::PORO_ISA
