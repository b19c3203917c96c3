// Gradients of tiled attention, a block of keys against all queries that see them (Dao et al.,
// FlashAttention, 2022). Scores and their gradients lie on their side, (keys, queries), so that, rounded to
// bf16, their rows are rows of the left operands of dV = P^T dY and dK = dS^T Q, and two by two in turns
// those of the right operand of dQ^T = K^T dS^T: nothing is turned between products. Sums are taken in the
// order of the tokens.
#pragma once

#include "ops/cpu/attention_tiles_rows.h"

namespace poro::PORO_ISA {

// What a unit of queries brings along.
struct GradientUnit {
  UnitSight sight;
  alignas(64) float shift[kUnit], delta[kUnit];  // Log of the softmax's denominator in powers of two; dy . y
};

constexpr int64_t kKeys = kTiledGradientKeys, kUnits = kTiledGradientUnits;
constexpr int64_t kKeySteps = kKeys / kUnit;
constexpr int64_t kSoftened = 2;  // Steps of keys whose scores stay in the first-level cache

// Hands out the scratch memory, or, without any, only counts it.
struct GradientMemory {
  GradientMemory(std::byte* scratch, const AttentionGradientArgs& args) {
    const auto take = [&](int64_t count) {
      std::byte* here = scratch == nullptr ? nullptr : scratch + bytes;
      bytes += count;
      return here;
    };
    const int64_t unit_bytes = attention_unit_bytes(args.head_dim), keys = attention_units(args.tokens),
                  queries = attention_units(args.tokens * args.group);
    for (std::byte** packed : {&q_columns, &dy_columns, &q_pairs, &dy_pairs})
      *packed = take(queries * unit_bytes);
    for (std::byte** packed : {&k_rows, &v_rows, &k_turned}) *packed = take(keys * unit_bytes);
    dq = reinterpret_cast<float*>(take(2 * queries * unit_bytes));
    for (float** sums : {&dk, &dv}) *sums = reinterpret_cast<float*>(take(2 * kKeySteps * unit_bytes));
    for (std::byte** left : {&p, &ds}) *left = take(kKeySteps * 2 * kUnits * kTile);
    ds_pairs = take(kKeySteps * kPair);
    for (float** square : {&scores, &dp}) *square = reinterpret_cast<float*>(take(kSoftened * 2 * kPair));
    units = reinterpret_cast<GradientUnit*>(take(queries * static_cast<int64_t>(sizeof(GradientUnit))));
  }

  std::byte *q_columns, *dy_columns, *q_pairs, *dy_pairs;  // Units of queries
  std::byte *k_rows, *v_rows, *k_turned;                   // Units of keys
  float* dq;                                               // (units, D, queries of the unit)
  float *dk, *dv;                                          // (keys of the block, D)
  std::byte *p, *ds;                                       // (tiles of keys, units of queries)
  std::byte* ds_pairs;                                     // (steps of keys, two tiles)
  float *scores, *dp;                                      // (tiles of keys, two tiles)
  GradientUnit* units;
  int64_t bytes = 0;
};

// The steps of a key block that a unit sees.
struct Steps {
  int64_t begin, end;
};

template <class Tiles>
class GradientPass {
 public:
  explicit GradientPass(const AttentionGradientArgs& args)
      : args_(args),
        memory_(reinterpret_cast<std::byte*>(args.scratch), args),
        unit_bytes_(attention_unit_bytes(args.head_dim)),
        num_units_(attention_units(args.tokens * args.group)),
        scale_(1.0f / __builtin_sqrtf(static_cast<float>(args.head_dim))) {}

  void run() {
    for (int64_t unit = 0; unit < num_units_; ++unit) prepare_queries(unit);
    for (int64_t unit = 0; unit < attention_units(args_.tokens); ++unit) prepare_keys(unit);
    Tiles::begin();
    for (int64_t first_key = 0; first_key < args_.tokens; first_key += kKeys) {
      std::memset(memory_.dk, 0, static_cast<size_t>(2 * 2 * kKeySteps * unit_bytes_));  // And dv
      for (int64_t unit = first_key * args_.group / kUnit; unit < num_units_; unit += kUnits) {
        // Documents come one after the other: no later unit sees these keys either.
        if (memory_.units[unit].sight.begin() >= first_key + kKeys) break;
        meet(first_key, unit, num_units_ - unit < kUnits ? num_units_ - unit : kUnits);
      }
      write_keys(first_key);
    }
    Tiles::end();
  }

 private:
  void prepare_queries(int64_t unit) const {
    const auto rows = [&](const float* x) {
      return query_rows(x, unit, args_.tokens, args_.group, args_.token_stride, args_.head_dim);
    };
    const int64_t at = unit * unit_bytes_;
    pack_unit<Packing::kColumns>(rows(args_.q), args_.head_dim, memory_.q_columns + at);
    pack_unit<Packing::kColumns>(rows(args_.dy), args_.head_dim, memory_.dy_columns + at);
    pack_unit<Packing::kPairs>(rows(args_.q), args_.head_dim, memory_.q_pairs + at);
    pack_unit<Packing::kPairs>(rows(args_.dy), args_.head_dim, memory_.dy_pairs + at);
    GradientUnit& columns = memory_.units[unit];
    columns.sight = UnitSight(unit, args_.tokens, args_.group, args_.starts);
    for (int64_t row = 0; row < kUnit; ++row) columns.shift[row] = columns.delta[row] = 0;
    for_rows(unit, args_.tokens, args_.group, [&](int64_t row, int64_t token, int64_t head) {
      columns.shift[row] = args_.lse[token * args_.lse_stride + head] * kLog2E;
      columns.delta[row] = args_.delta[token * args_.lse_stride + head];
    });
  }

  void prepare_keys(int64_t unit) const {
    const UnitRows k = key_rows(args_.k, unit, args_.tokens, args_.key_stride);
    const int64_t at = unit * unit_bytes_;
    pack_unit<Packing::kRows>(k, args_.head_dim, memory_.k_rows + at);
    pack_unit<Packing::kPairsTurned>(k, args_.head_dim, memory_.k_turned + at);
    pack_unit<Packing::kRows>(key_rows(args_.v, unit, args_.tokens, args_.key_stride), args_.head_dim,
                              memory_.v_rows + at);
  }

  // All products of a block of keys with some units of queries.
  void meet(int64_t first_key, int64_t first_unit, int64_t count) const {
    Steps seen[kUnits];
    for (int64_t i = 0; i < count; ++i) seen[i] = meet_unit(first_key, first_unit + i, i);
    for (int64_t step = 0; step < kKeySteps; ++step) {
      // Neither the first nor the last key that a unit sees falls from unit to unit.
      int64_t begin = 0, end = count;
      while (begin < end && seen[begin].end <= step) ++begin;
      while (begin < end && seen[end - 1].begin > step) --end;
      if (begin == end) continue;
      for (int64_t tile = 2 * step; tile < 2 * step + 2; ++tile) {
        const int64_t left = (tile * kUnits + begin) * kTile, right = (first_unit + begin) * unit_bytes_;
        add_keys(memory_.p + left, memory_.dy_pairs + right, end - begin, memory_.dv, tile);
        add_keys(memory_.ds + left, memory_.q_pairs + right, end - begin, memory_.dk, tile);
      }
    }
  }

  void add_keys(const std::byte* left, const std::byte* right, int64_t steps, float* sums,
                int64_t tile) const {
    const int64_t pairs = args_.head_dim / 32;
    for (int64_t pair = 0; pair < pairs; ++pair) {
      float* to = sums + (tile * pairs + pair) * kPairFloats;
      Tiles::multiply({.a = left,
                       .a_step = kTile,
                       .b = right + pair * kPair,
                       .b_step = unit_bytes_,
                       .steps = steps,
                       .from = to,
                       .to = to});
    }
  }

  // The `place`-th unit beside the block of keys: its weights and their gradients, and dq.
  Steps meet_unit(int64_t first_key, int64_t unit, int64_t place) const {
    const UnitSight& sight = memory_.units[unit].sight;
    const int64_t from = sight.begin() > first_key ? (sight.begin() - first_key) / kUnit : 0,
                  last = attention_units(sight.end() - first_key);
    const Steps seen = {from, last < kKeySteps ? last : kKeySteps};
    if (seen.begin >= seen.end) return {seen.end, seen.end};
    for (int64_t step = seen.begin; step < seen.end; step += kSoftened) {
      const int64_t steps = seen.end - step < kSoftened ? seen.end - step : kSoftened;
      const int64_t keys_at = (first_key / kUnit + step) * unit_bytes_, unit_at = unit * unit_bytes_;
      for (int64_t tile = 0; tile < 2 * steps; ++tile) {
        const int64_t a = keys_at + tile / 2 * unit_bytes_ + tile % 2 * kTile;
        score(memory_.k_rows + a, memory_.q_columns + unit_at, memory_.scores + tile * kPairFloats);
        score(memory_.v_rows + a, memory_.dy_columns + unit_at, memory_.dp + tile * kPairFloats);
      }
      const int64_t key = first_key + step * kUnit;
      if (sight.sees_all(key, key + steps * kUnit))
        soften<false>(memory_.units[unit], key, step, steps, place);
      else
        soften<true>(memory_.units[unit], key, step, steps, place);
    }
    const bool is_first = sight.begin() >= first_key, is_last = sight.end() <= first_key + kKeys;
    float* const sums = memory_.dq + unit * kUnit * args_.head_dim;
    for (int64_t tile = 0; tile < args_.head_dim / 16; ++tile)
      Tiles::multiply({.a = memory_.k_turned + (first_key / kUnit + seen.begin) * unit_bytes_ + tile * kTile,
                       .a_step = unit_bytes_,
                       .b = memory_.ds_pairs + seen.begin * kPair,
                       .b_step = kPair,
                       .steps = seen.end - seen.begin,
                       .from = is_first ? nullptr : sums + tile * kPairFloats,
                       .to = sums + tile * kPairFloats});
    if (is_last) write_dq(unit, sums);
    return seen;
  }

  void score(const std::byte* left, const std::byte* right, float* to) const {
    Tiles::multiply({.a = left,
                     .a_step = kPair,
                     .b = right,
                     .b_step = kPair,
                     .steps = args_.head_dim / 32,
                     .from = nullptr,
                     .to = to});
  }

  // Two rows of keys at a time: p = softmax, ds = p (dp - delta), without the scale of the scores.
  template <bool kIsMasked>
  void soften(const GradientUnit& unit, int64_t first_key, int64_t first_step, int64_t steps,
              int64_t place) const {
    const __m512 scale = _mm512_set1_ps(scale_ * kLog2E);
    const __m512 shift[2] = {_mm512_load_ps(unit.shift), _mm512_load_ps(unit.shift + 16)};
    const __m512 delta[2] = {_mm512_load_ps(unit.delta), _mm512_load_ps(unit.delta + 16)};
    const Sight sight[2] = {unit.sight.half(0), unit.sight.half(1)};
    for (int64_t key = 0; key < steps * kUnit; key += 2) {
      const int64_t row = first_step * kUnit + key;  // In the block
      std::byte* const left = memory_.p + (row / 16 * kUnits + place) * kTile + row % 16 * 64;
      std::byte* const left_ds = left + (memory_.ds - memory_.p);
      __m512i halves[2];
      for (int i = 0; i < 2; ++i) {
        __m512 p[2], ds[2];
        for (int half = 0; half < 2; ++half) {
          const int64_t at = (key / 16) * kPairFloats + half * (kPairFloats / 2) + (key % 16 + i) * 16;
          p[half] = power_of_two(_mm512_fmsub_ps(_mm512_load_ps(memory_.scores + at), scale, shift[half]));
          if constexpr (kIsMasked)
            p[half] = _mm512_maskz_mov_ps(sight[half].of(first_key + key + i), p[half]);
          ds[half] = _mm512_mul_ps(p[half], _mm512_sub_ps(_mm512_load_ps(memory_.dp + at), delta[half]));
        }
        halves[i] = (__m512i)_mm512_cvtne2ps_pbh(ds[1], ds[0]);
        _mm512_store_si512(left + i * 64, (__m512i)_mm512_cvtne2ps_pbh(p[1], p[0]));
        _mm512_store_si512(left_ds + i * 64, halves[i]);
      }
      std::byte* const right = memory_.ds_pairs + row / kUnit * kPair + row % kUnit / 2 * 64;
      _mm512_store_si512(right, interleave<0>(halves[0], halves[1]));
      _mm512_store_si512(right + kTile, interleave<16>(halves[0], halves[1]));
    }
  }

  void write_dq(int64_t unit, const float* sums) const {
    float factors[kUnit];
    for (float& factor : factors) factor = scale_;
    write_queries({.sums = sums, .head_dim = args_.head_dim, .factors = factors}, args_.dq, unit,
                  args_.tokens, args_.group, args_.token_stride);
  }

  void write_keys(int64_t first_key) const {
    const __m512 scale = _mm512_set1_ps(scale_);
    for (int64_t key = 0; key < kKeys && first_key + key < args_.tokens; ++key)
      for (int64_t d = 0; d < args_.head_dim; d += 16) {
        const int64_t from = (key / 16 * args_.head_dim + d) * 16 + key % 16 * 16,
                      to = (first_key + key) * args_.key_stride + d;
        _mm512_storeu_ps(args_.dk + to, _mm512_mul_ps(_mm512_load_ps(memory_.dk + from), scale));
        _mm512_storeu_ps(args_.dv + to, _mm512_load_ps(memory_.dv + from));
      }
  }

  const AttentionGradientArgs& args_;
  const GradientMemory memory_;
  const int64_t unit_bytes_, num_units_;
  const float scale_;
};

template <class Tiles>
void attend_gradient_tiled(const AttentionGradientArgs& args) {
  GradientPass<Tiles>(args).run();
}

inline int64_t tiled_gradient_bytes(const AttentionGradientArgs& args) {
  return GradientMemory(nullptr, args).bytes;
}

}  // namespace poro::PORO_ISA
