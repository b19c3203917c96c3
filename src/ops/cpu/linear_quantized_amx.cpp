// AMX: a tile instruction multiplies sixteen tokens by sixteen rows over 64 columns. The blocks are made of its tiles already; int4 is
// unpacked into them, a chunk of columns at a time, small enough for the first-level cache. Each group's sums leave the
// tiles for the floats while the next group's products run.
#include <immintrin.h>

#include "ops/cpu/linear_quantized.h"

namespace poro {
namespace {

constexpr int64_t kTileSlices = 16;  // Of 64 columns.

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// The sums of a group: tokens 0..15 and 16..31 times rows 0..15 and 16..31, four tiles of 16 x 16.
struct alignas(64) GroupSums {
  int32_t tiles[4][256];
};

// Tiles 0 to 3 are the sums, 4 and 5 tokens, 6 and 7 weights. `kBlocks` of sixteen tokens, 1 or 2; the
// weights are int8 slices.
template <int kBlocks>
inline void multiply_group(const std::byte* slices, const QuantizedTokens& x) {
  _tile_zero(0);
  _tile_zero(1);
  if constexpr (kBlocks == 2) {
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t k = 0; k < x.columns / 64; ++k) {
    _tile_loadd(6, slices + k * kTileSlices * kSliceBytes, kSliceBytes);
    _tile_loadd(7, slices + k * kTileSlices * kSliceBytes + 64, kSliceBytes);
    _tile_loadd(4, x.values + k * 64, x.columns);
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    if constexpr (kBlocks == 2) {
      _tile_loadd(5, x.values + 16 * x.columns + k * 64, x.columns);
      _tile_dpbssd(2, 5, 6);
      _tile_dpbssd(3, 5, 7);
    }
  }
}

template <int kBlocks>
inline void store_sums(GroupSums& sums) {
  _tile_stored(0, sums.tiles[0], 64);
  _tile_stored(1, sums.tiles[1], 64);
  if constexpr (kBlocks == 2) {
    _tile_stored(2, sums.tiles[2], 64);
    _tile_stored(3, sums.tiles[3], 64);
  }
}

template <int kBlocks>
inline void add_sums(const GroupSums& sums, const std::byte* block, const float* x_scales, float* y) {
  for (int half = 0; half < 2; ++half) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + half * 32));
    const __m512 scales = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
    for (int t = 0; t < kBlocks * 16; ++t) {
      float* at = y + t * kPanelRows + half * 16;
      const __m512i sum = _mm512_load_si512(sums.tiles[t / 16 * 2 + half] + t % 16 * 16);
      const __m512 step = _mm512_mul_ps(_mm512_set1_ps(x_scales[t]), scales);
      _mm512_storeu_ps(at, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), step, _mm512_loadu_ps(at)));
    }
  }
}

// The weights of a panel as int8: where the slices of the first group lie, and its scales.
struct PanelSlices {
  const std::byte* slices;
  int64_t slice_stride;  // From group to group, bytes.
  const std::byte* scales;
  int64_t scale_stride;
};

// A group's sums are added two groups later: a load cannot take its bytes from a tile's store that is still in flight, and by
// then that store has reached the cache.
template <int kBlocks>
void multiply_blocks(const PanelSlices& w, int64_t num_groups, const QuantizedTokens& x, float* y) {
  GroupSums sums[2];
  const auto add = [&](int64_t group) {
    add_sums<kBlocks>(sums[group % 2], w.scales + group * w.scale_stride, x.at(group, 0).scales, y);
  };
  for (int64_t group = 0; group < num_groups; ++group) {
    multiply_group<kBlocks>(w.slices + group * w.slice_stride, x.at(group, 0));
    if (group >= 2) add(group - 2);
    store_sums<kBlocks>(sums[group % 2]);
  }
  if (num_groups >= 2) add(num_groups - 2);
  add(num_groups - 1);
}

void multiply_panel(const PanelProduct& task, const PanelSlices& w) {
  const TileConfig config;
  _tile_loadconfig(&config);
  for (int64_t token = 0; token < task.num_tokens; token += 32) {
    const auto multiply = task.num_tokens - token >= 32 ? multiply_blocks<2> : multiply_blocks<1>;
    multiply(w, task.num_groups, task.x.at(0, token), task.y + token * kPanelRows);
  }
  _tile_release();
}

void multiply_int8(const PanelProduct& task) {
  multiply_panel(task, {.slices = task.blocks + kScaleBytes,
                        .slice_stride = Int8Block::kBytes,
                        .scales = task.blocks,
                        .scale_stride = Int8Block::kBytes});
}

constexpr int64_t kUnpackedColumns = 512;  // 16 KiB of int8: a third of the first-level cache.

// `num_groups` groups as int8 slices.
void unpack_int4(const std::byte* block, int64_t num_groups, std::byte* to) {
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i levels = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kInt4Levels.data())));
  constexpr int64_t kBytes = Int4Block::kSlices * kSliceBytes;
  for (int64_t group = 0; group < num_groups; ++group, block += Int4Block::kBytes, to += 2 * kBytes)
    for (int64_t at = 0; at < kBytes; at += 64) {
      const __m512i codes = _mm512_loadu_si512(block + kScaleBytes + at);
      _mm512_store_si512(to + at, _mm512_shuffle_epi8(levels, _mm512_and_si512(codes, nibble)));
      _mm512_store_si512(to + kBytes + at, _mm512_shuffle_epi8(levels, _mm512_and_si512(_mm512_srli_epi16(codes, 4), nibble)));
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
    multiply_panel(part, {.slices = unpacked,
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
          .token_padding = 16};
}

}  // namespace poro
