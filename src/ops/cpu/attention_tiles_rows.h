// What the forward and the backward pass of tiled attention share: rows brought into tiles and out of them,
// the product of tiles, and powers of two. Included by attention_<unit>.cpp, whose `Tiles` multiplies.
//
// A tile is sixteen rows of 64 bytes. Of the left operand, a row is 32 numbers in bf16 along the sum; of the
// right operand, a pair along the sum for each of sixteen columns; of sums, sixteen columns in f32.
#pragma once

#include "ops/cpu/attention_tiles.h"
#include "ops/cpu/tile_rows.h"

namespace poro::PORO_ISA {

constexpr int64_t kUnit = kAttentionUnit;
constexpr int64_t kTile = 1024;       // Bytes
constexpr int64_t kPair = 2 * kTile;  // Of two tiles beside each other, 32 columns
constexpr int64_t kPairFloats = 512;  // Sums of two tiles
constexpr float kLog2E = 1.44269504f, kLn2 = 0.693147181f;

// 16 rows x 32 columns: to = from + a b, over the steps of 32 along the sum. The two tiles of `b` of a step
// are beside each other, as those of the sums.
struct TileProduct {
  const std::byte* a;
  int64_t a_step;  // Bytes to the next step's
  const std::byte* b;
  int64_t b_step;
  int64_t steps;
  const float* from;  // Or none: the sums start at zero. May be `to`.
  float* to;
};

// Rows of a unit, where they lie; none behind the last.
struct UnitRows {
  const float* at[kUnit];
};

// Row r of a group's queries is head r % group of token r / group. body(row in the unit, token, head)
template <class Body>
PORO_INLINE void for_rows(int64_t unit, int64_t tokens, int64_t group, const Body& body) {
  int64_t token = unit * kUnit / group, head = unit * kUnit % group;
  for (int64_t row = 0; row < kUnit && token < tokens; ++row) {
    body(row, token, head);
    if (++head == group) head = 0, ++token;
  }
}

inline UnitRows query_rows(const float* x, int64_t unit, int64_t tokens, int64_t group, int64_t token_stride,
                           int64_t head_dim) {
  UnitRows rows = {};
  for_rows(unit, tokens, group, [&](int64_t row, int64_t token, int64_t head) {
    rows.at[row] = x + token * token_stride + head * head_dim;
  });
  return rows;
}

inline UnitRows key_rows(const float* x, int64_t unit, int64_t tokens, int64_t stride) {
  UnitRows rows = {};
  for (int64_t row = 0; row < kUnit && unit * kUnit + row < tokens; ++row)
    rows.at[row] = x + (unit * kUnit + row) * stride;
  return rows;
}

PORO_INLINE __m512i rounded(const float* row, int64_t d) {
  if (row == nullptr) return _mm512_setzero_si512();
  return (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(row + d + 16), _mm512_loadu_ps(row + d));
}

PORO_INLINE void store_tile(__m512i (&rows)[16], std::byte* to) {
  for (int i = 0; i < 16; ++i) _mm512_store_si512(to + i * 64, rows[i]);
}

// The four ways in which a unit becomes tiles, two for each 32 of D.
enum class Packing {
  kRows,         // 16 rows, along D: a left operand that is summed over D
  kColumns,      // The same as a right operand
  kPairs,        // 16 of D, along the rows: a right operand that is summed over rows
  kPairsTurned,  // The same as a left operand
};

template <Packing kPacking>
inline void pack_unit(const UnitRows& rows, int64_t head_dim, std::byte* to) {
  for (int64_t d = 0; d < head_dim; d += 32)
    for (int half = 0; half < 2; ++half, to += kTile) {
      __m512i tile[16];
      for (int i = 0; i < 16; ++i) {
        if constexpr (kPacking == Packing::kRows || kPacking == Packing::kColumns) {
          tile[i] = rounded(rows.at[16 * half + i], d);
        } else {
          const __m512i even = rounded(rows.at[2 * i], d), odd = rounded(rows.at[2 * i + 1], d);
          tile[i] = half == 0 ? interleave<0>(even, odd) : interleave<16>(even, odd);
        }
      }
      if constexpr (kPacking == Packing::kColumns || kPacking == Packing::kPairsTurned) transpose(tile);
      store_tile(tile, to);
    }
}

// Sums that lie on their side, (D, rows of a unit), each query times its factor, to the queries of `unit` in
// `to`, which is laid out as for query_rows.
struct Turned {
  const float* sums;
  int64_t head_dim;
  const float* factors;  // (kUnit)
};
inline void write_queries(const Turned& turned, float* to, int64_t unit, int64_t tokens, int64_t group,
                          int64_t token_stride) {
  float* at[kUnit] = {};
  for_rows(unit, tokens, group, [&](int64_t row, int64_t token, int64_t head) {
    at[row] = to + token * token_stride + head * turned.head_dim;
  });
  for (int64_t d = 0; d < turned.head_dim; d += 16)
    for (int64_t half = 0; half < 2; ++half) {
      const float* tile = turned.sums + (d / 16) * kPairFloats + half * (kPairFloats / 2);
      const __m512 factor = _mm512_loadu_ps(turned.factors + 16 * half);
      __m512i rows[16];
      for (int i = 0; i < 16; ++i)
        rows[i] = _mm512_castps_si512(_mm512_mul_ps(_mm512_load_ps(tile + i * 16), factor));
      transpose(rows);
      for (int i = 0; i < 16 && at[16 * half + i] != nullptr; ++i)
        _mm512_storeu_ps(at[16 * half + i] + d, _mm512_castsi512_ps(rows[i]));
    }
}

// 2^x within 1.1e-7 of its value for x in [-126, 127], almost zero below; NaN stays NaN. 2^r of the rest is
// a polynomial through its Chebyshev points.
PORO_INLINE __m512 power_of_two(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(-127.0f), x);
  const __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r = _mm512_sub_ps(x, n);
  __m512 series = _mm512_set1_ps(1.33908634e-3f);
  series = _mm512_fmadd_ps(series, r, _mm512_set1_ps(9.67603192e-3f));
  series = _mm512_fmadd_ps(series, r, _mm512_set1_ps(5.55035711e-2f));
  series = _mm512_fmadd_ps(series, r, _mm512_set1_ps(2.40221075e-1f));
  series = _mm512_fmadd_ps(series, r, _mm512_set1_ps(6.93147188e-1f));
  series = _mm512_fmadd_ps(series, r, _mm512_set1_ps(1.00000008f));
  return _mm512_scalef_ps(series, n);
}

// What the sixteen columns of a tile, rows of queries, see of the keys.
struct Sight {
  __m512i first, last;
  PORO_INLINE __mmask16 of(int64_t key) const {
    const __m512i here = _mm512_set1_epi32(static_cast<int32_t>(key));
    return _mm512_cmple_epi32_mask(first, here) & _mm512_cmple_epi32_mask(here, last);
  }
};

// The same for a unit. Columns behind the last row see what the last sees.
struct UnitSight {
  alignas(64) int32_t first[kUnit], last[kUnit];

  UnitSight() = default;
  UnitSight(int64_t unit, int64_t tokens, int64_t group, const int32_t* starts) {
    int64_t count = 0;
    for_rows(unit, tokens, group, [&](int64_t row, int64_t token, int64_t) {
      first[row] = starts[token];
      last[row] = static_cast<int32_t>(token);
      count = row + 1;
    });
    for (int64_t row = count; row < kUnit; ++row) first[row] = first[row - 1], last[row] = last[row - 1];
  }
  Sight half(int which) const {
    return {_mm512_load_si512(first + 16 * which), _mm512_load_si512(last + 16 * which)};
  }
  // Some row sees the keys [begin, end); documents come in order.
  int64_t begin() const { return first[0]; }
  int64_t end() const { return last[kUnit - 1] + 1; }
  bool sees_all(int64_t from, int64_t to) const { return first[kUnit - 1] <= from && to <= last[0] + 1; }
};

}  // namespace poro::PORO_ISA
