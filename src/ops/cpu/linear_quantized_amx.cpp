// AMX: a tile instruction multiplies sixteen tokens by sixteen rows over 64 columns. The blocks are made of
// its tiles already; int4 is unpacked into them, a chunk of columns at a time, small enough for the
// first-level cache. Each group's sums leave the tiles and are added to the floats between the
// multiplications of the next group.
#include "ops/cpu/amx_tiles.h"
#include "ops/cpu/linear_quantized.h"

namespace poro {
namespace {

constexpr int64_t kTileSlices = 16;  // Of 64 columns.

// The sums of a group: tokens 0..15 and 16..31 times rows 0..15 and 16..31, four tiles of 16 x 16. The floats
// they are added to lie in the same order on pages of their own: a load that shares its place within a page
// with a store still in flight waits for it, and in equal order no load meets a store of the lines before it.
struct alignas(4096) GroupSums {
  int32_t tiles[4][256];
};

// Sums that wait to be added to the floats, times the scales of their rows and tokens.
struct Pending {
  const GroupSums* sums;
  __m512 scales[2];       // Of rows 0..15 and 16..31
  const float* x_scales;  // (32)
  float* y;

  // Rows `kFirst` and on of the tiles, sixteen floats each.
  template <int kFirst, int kCount>
  [[gnu::always_inline]] void add() const {
#pragma GCC unroll 64
    for (int row = kFirst; row < kFirst + kCount; ++row) {
      const int tile = row / 16;
      const __m512i sum = _mm512_load_si512(sums->tiles[0] + row * 16);
      const __m512 step = _mm512_mul_ps(_mm512_set1_ps(x_scales[tile / 2 * 16 + row % 16]), scales[tile % 2]);
      _mm512_storeu_ps(y + row * 16,
                       _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), step, _mm512_loadu_ps(y + row * 16)));
    }
  }
};

inline __m512 load_scales(const std::byte* scales) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

// Step `kStep` of a group's `kSteps`, of 64 columns each: tiles 0 to 3 are the sums, 4 and 5 tokens, 6 and 7
// weights. `kBlocks` of sixteen tokens, 1 or 2. Between the multiplications a share of the group before is
// added to the floats.
template <int kBlocks, int kSteps, bool kHasPending, int kStep = 0>
[[gnu::always_inline]] inline void multiply_steps(const std::byte* slices, const int8_t* x,
                                                  const Pending& pending) {
  if constexpr (kStep < kSteps) {
    constexpr int kColumns = kSteps * 64, kShare = 32 / kSteps;
    const std::byte* w = slices + kStep * kTileSlices * kSliceBytes;
    _tile_loadd(6, w, kSliceBytes);
    _tile_loadd(4, x + kStep * 64, kColumns);
    _tile_dpbssd(0, 4, 6);
    _tile_loadd(7, w + 64, kSliceBytes);
    _tile_dpbssd(1, 4, 7);
    if constexpr (kHasPending) pending.add<kStep * kBlocks * kShare, kShare>();
    if constexpr (kBlocks == 2) {
      _tile_loadd(5, x + 16 * kColumns + kStep * 64, kColumns);
      _tile_dpbssd(2, 5, 6);
      _tile_dpbssd(3, 5, 7);
      if constexpr (kHasPending) pending.add<(kStep * kBlocks + 1) * kShare, kShare>();
    }
    multiply_steps<kBlocks, kSteps, kHasPending, kStep + 1>(slices, x, pending);
  }
}

template <int kBlocks, int kSteps, bool kHasPending>
inline void multiply_group(const std::byte* slices, const int8_t* x, const Pending& pending,
                           GroupSums& sums) {
  _tile_zero(0);
  _tile_zero(1);
  if constexpr (kBlocks == 2) {
    _tile_zero(2);
    _tile_zero(3);
  }
  multiply_steps<kBlocks, kSteps, kHasPending>(slices, x, pending);
  _tile_stored(0, sums.tiles[0], 64);
  _tile_stored(1, sums.tiles[1], 64);
  if constexpr (kBlocks == 2) {
    _tile_stored(2, sums.tiles[2], 64);
    _tile_stored(3, sums.tiles[3], 64);
  }
}

// The weights of a panel as int8: where the slices of the first group lie, and its scales.
struct PanelSlices {
  const std::byte* slices;
  int64_t slice_stride;  // From group to group, bytes.
  const std::byte* scales;
  int64_t scale_stride;
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

template <int kBlocks, int kSteps>
void multiply_blocks(const PanelSlices& w, int64_t num_groups, const QuantizedTokens& x, float* y,
                     Prefetch (&ahead)[2]) {
  GroupSums sums[2];
  const auto pending = [&](int64_t group) {
    const std::byte* scales = w.scales + group * w.scale_stride;
    return Pending{.sums = &sums[group % 2],
                   .scales = {load_scales(scales), load_scales(scales + 32)},
                   .x_scales = x.at(group, 0).scales,
                   .y = y};
  };
  multiply_group<kBlocks, kSteps, false>(w.slices, x.values, {}, sums[0]);
  for (int64_t group = 1; group < num_groups; ++group) {
    for (Prefetch& prefetch : ahead) prefetch.next();
    multiply_group<kBlocks, kSteps, true>(w.slices + group * w.slice_stride, x.at(group, 0).values,
                                          pending(group - 1), sums[group % 2]);
  }
  for (Prefetch& prefetch : ahead) prefetch.next();
  pending(num_groups - 1).template add<0, 32 * kBlocks>();
}

template <class Block>
void multiply_panel(const PanelProduct& task, const PanelSlices& w) {
  constexpr int kSteps = Block::kColumns / 64;
  const int64_t parts = (task.num_tokens + 31) / 32 * task.num_groups;
  Prefetch ahead[] = {{task.blocks_ahead, parts}, {task.x_ahead, parts}};
  amx::configure_tiles();
  for (int64_t token = 0; token < task.num_tokens; token += 32) {
    const auto multiply =
        task.num_tokens - token >= 32 ? multiply_blocks<2, kSteps> : multiply_blocks<1, kSteps>;
    multiply(w, task.num_groups, task.x.at(0, token), task.y + token * kPanelRows, ahead);
  }
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
