// AMX: a tile instruction multiplies sixteen tokens by sixteen rows over 64 columns. The blocks are made of
// its tiles already; int4 is unpacked into them, a chunk of columns at a time, small enough for the
// first-level cache. Each group's sums leave the tiles and are added to the floats, those of two groups in
// one pass, between the multiplications of the next two groups, be they the next tokens'. Four tiles are
// used, for the reason that linear_amx.cpp gives.
#include "ops/cpu/amx_tiles.h"
#include "ops/cpu/linear_quantized.h"

namespace poro {
namespace {

constexpr int64_t kTileSlices = 16;  // Of 64 columns.
constexpr int kTokens = 16;          // Of a tile.

// The sums of two groups: sixteen tokens by rows 0..15 and 16..31 each. The floats they are added to lie in
// the same order on pages of their own: a load that shares its place within a page with a store still in
// flight waits for it, and in equal order no load meets a store of the lines before it.
struct alignas(4096) PairSums {
  int32_t groups[2][2 * 256];
};

inline __m512 load_scales(const std::byte* scales) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

// A group's sums that wait to be added to the floats, times the scales of their rows and tokens.
struct Pending {
  const int32_t* sums;    // Of a group in PairSums
  const float* x_scales;  // (kTokens)
  __m512 scales[2];       // Of rows 0..15 and 16..31
};

// The same factor in all lanes, loaded once for both halves of the rows: the compiler would load it for each.
[[gnu::always_inline]] inline __m512 broadcast(const float* value) {
  __m512 factor = _mm512_set1_ps(*value);
  asm("" : "+v"(factor));
  return factor;
}

// The sums of `kGroups` groups, in their order, for `kCount` tokens from `kFirst` on.
template <int kGroups, int kFirst, int kCount>
[[gnu::always_inline]] inline void add_groups(const Pending (&groups)[kGroups], float* y) {
#pragma GCC unroll 32
  for (int token = kFirst; token < kFirst + kCount; ++token) {
    __m512 factors[kGroups];
#pragma GCC unroll 2
    for (int group = 0; group < kGroups; ++group) factors[group] = broadcast(groups[group].x_scales + token);
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const int at = half * 256 + token * 16;
      __m512 value = _mm512_loadu_ps(y + at);
#pragma GCC unroll 2
      for (int group = 0; group < kGroups; ++group)
        value = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(groups[group].sums + at)),
                                _mm512_mul_ps(factors[group], groups[group].scales[half]), value);
      _mm512_storeu_ps(y + at, value);
    }
  }
}

// Step `kStep` of a group's `kSteps`, of 64 columns each: tiles 0 and 1 are the sums, 2 the tokens, 3
// weights. `add` is called after each.
template <int kSteps, int kStep = 0, class Add>
[[gnu::always_inline]] inline void multiply_steps(const std::byte* slices, const int8_t* x, const Add& add) {
  if constexpr (kStep < kSteps) {
    const std::byte* w = slices + kStep * kTileSlices * kSliceBytes;
    _tile_loadd(2, x + kStep * 64, kSteps * 64);
    _tile_loadd(3, w, kSliceBytes);
    _tile_dpbssd(0, 2, 3);
    _tile_loadd(3, w + 64, kSliceBytes);
    _tile_dpbssd(1, 2, 3);
    add.template operator()<kStep>();
    multiply_steps<kSteps, kStep + 1>(slices, x, add);
  }
}

template <int kSteps, class Add>
[[gnu::always_inline]] inline void multiply_group(const std::byte* slices, const int8_t* x, int32_t* sums,
                                                  const Add& add) {
  _tile_zero(0);
  _tile_zero(1);
  multiply_steps<kSteps>(slices, x, add);
  _tile_stored(0, sums, 64);
  _tile_stored(1, sums + 256, 64);
}

constexpr auto kAddNothing = []<int kSlot>() {};

// The weights of a panel as int8: where the slices of the first group lie, and its scales.
struct PanelSlices {
  const std::byte* slices;
  int64_t slice_stride;  // From group to group, bytes.
  const std::byte* scales;
  int64_t scale_stride;

  PanelSlices at(int64_t group) const {
    PanelSlices part = *this;
    part.slices += group * slice_stride;
    part.scales += group * scale_stride;
    return part;
  }
};

// Asks memory for bytes in equal parts.
class Prefetch {
 public:
  Prefetch(const Ahead& ahead, int64_t parts)
      : at_(reinterpret_cast<const char*>(ahead.data)),
        end_(at_ + ahead.bytes),
        part_((ahead.bytes / 64 + parts - 1) / parts * 64) {}

  void next() {
    const char* end = at_ + part_ < end_ ? at_ + part_ : end_;
    for (; at_ < end; at_ += 64) _mm_prefetch(at_, _MM_HINT_T1);
  }

 private:
  const char* at_;
  const char* const end_;
  const int64_t part_;
};

inline Pending pending(const PanelSlices& w, const QuantizedTokens& x, const int32_t* sums) {
  return {.sums = sums, .x_scales = x.scales, .scales = {load_scales(w.scales), load_scales(w.scales + 32)}};
}

// Multiplies two groups at a time, and adds the sums of the two before meanwhile.
template <int kSteps>
class Pairs {
 public:
  void multiply(const PanelSlices& w, const QuantizedTokens& x, float* y) {
    PairSums& sums = sums_[turn_];
    turn_ ^= 1;
    const PanelSlices second = w.at(1);
    const QuantizedTokens second_x = x.at(1, 0);
    if (y_ != nullptr) {
      const Pending before[2] = {pending_[0], pending_[1]};  // In registers.
      float* const y_before = y_;
      constexpr int kShare = kTokens / (2 * kSteps);  // Of the tokens, for each step.
      multiply_group<kSteps>(
          w.slices, x.values, sums.groups[0], [&]<int kStep>() __attribute__((always_inline)) {
            add_groups<2, kStep * kShare, kShare>(before, y_before);
          });
      multiply_group<kSteps>(
          second.slices, second_x.values, sums.groups[1], [&]<int kStep>() __attribute__((always_inline)) {
            add_groups<2, kTokens / 2 + kStep * kShare, kShare>(before, y_before);
          });
    } else {
      multiply_group<kSteps>(w.slices, x.values, sums.groups[0], kAddNothing);
      multiply_group<kSteps>(second.slices, second_x.values, sums.groups[1], kAddNothing);
    }
    pending_[0] = pending(w, x, sums.groups[0]);
    pending_[1] = pending(second, second_x, sums.groups[1]);
    y_ = y;
  }

  // A group without a partner, when none is pending.
  void multiply_alone(const PanelSlices& w, const QuantizedTokens& x, float* y) {
    int32_t* sums = sums_[turn_].groups[0];
    multiply_group<kSteps>(w.slices, x.values, sums, kAddNothing);
    const Pending group[1] = {pending(w, x, sums)};
    add_groups<1, 0, kTokens>(group, y);
  }

  void finish() {
    if (y_ != nullptr) add_groups<2, 0, kTokens>(pending_, y_);
    y_ = nullptr;
  }

 private:
  PairSums sums_[2];
  Pending pending_[2];
  float* y_ = nullptr;  // Where the pending sums go, if there are any.
  int turn_ = 0;
};

template <class Block>
void multiply_panel(const PanelProduct& task, const PanelSlices& w) {
  constexpr int kSteps = Block::kColumns / 64;
  const int64_t in_pairs = task.num_groups / 2 * 2;
  const int64_t parts = task.num_tokens / kTokens * ((task.num_groups + 1) / 2);
  Prefetch ahead[] = {{task.blocks_ahead, parts}, {task.x_ahead, parts}};
  amx::configure_tiles();
  Pairs<kSteps> pairs;
  for (int64_t token = 0; token < task.num_tokens; token += kTokens) {
    float* y = task.y + token * kPanelRows;
    for (int64_t group = 0; group < in_pairs; group += 2) {
      for (Prefetch& prefetch : ahead) prefetch.next();
      pairs.multiply(w.at(group), task.x.at(group, token), y);
    }
    if (in_pairs == task.num_groups) continue;
    for (Prefetch& prefetch : ahead) prefetch.next();
    pairs.finish();
    pairs.multiply_alone(w.at(in_pairs), task.x.at(in_pairs, token), y);
  }
  pairs.finish();
  _tile_release();
}

void multiply_int8(const PanelProduct& task) {
  multiply_panel<Int8Block>(task, {.slices = task.blocks + kScaleBytes,
                                   .slice_stride = Int8Block::kBytes,
                                   .scales = task.blocks,
                                   .scale_stride = Int8Block::kBytes});
}

constexpr int64_t kUnpackedColumns = 512;  // 16 KiB of int8: a third of the first-level cache.

// `num_groups` groups as int8 slices.
void unpack_int4(const std::byte* block, int64_t num_groups, std::byte* to) {
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i levels =
      _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kInt4Levels.data())));
  constexpr int64_t kBytes = Int4Block::kSlices * kSliceBytes;
  for (int64_t group = 0; group < num_groups; ++group, block += Int4Block::kBytes, to += 2 * kBytes)
    for (int64_t at = 0; at < kBytes; at += 64) {
      const __m512i codes = _mm512_loadu_si512(block + kScaleBytes + at);
      _mm512_store_si512(to + at, _mm512_shuffle_epi8(levels, _mm512_and_si512(codes, nibble)));
      _mm512_store_si512(to + kBytes + at,
                         _mm512_shuffle_epi8(levels, _mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble)));
    }
}

void multiply_int4(const PanelProduct& task) {
  constexpr int64_t kGroups = kUnpackedColumns / Int4Block::kColumns;
  alignas(64) std::byte unpacked[kUnpackedColumns * kPanelRows];
  PanelProduct part = task;
  for (int64_t group = 0; group < task.num_groups; group += kGroups) {
    part.blocks = task.blocks + group * Int4Block::kBytes;
    part.num_groups = task.num_groups - group < kGroups ? task.num_groups - group : kGroups;
    part.x = task.x.at(group, 0);
    unpack_int4(part.blocks, part.num_groups, unpacked);
    amx::finish_writes(unpacked);
    multiply_panel<Int4Block>(part, {.slices = unpacked,
                                     .slice_stride = Int4Block::kColumns * kPanelRows,
                                     .scales = part.blocks,
                                     .scale_stride = Int4Block::kBytes});
  }
}

}  // namespace

QuantizedKernel quantized_kernel_amx() {
  return {.quantize_group = quantized_kernel_vnni().quantize_group,
          .multiply_int8 = multiply_int8,
          .multiply_int4 = multiply_int4,
          .token_tile = 16};
}

}  // namespace poro
