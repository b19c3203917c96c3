// Blocks of the product, from the outside in: kBlockOutputs outputs, whose sums rest in the second-level
// cache; kChunk inputs; a panel of 32 outputs, whose weights are copied into tile order while the next panel
// is fetched from memory; 32 tokens. The innermost loop keeps 2 x 2 tiles of sums and reads four tiles for
// four multiplications. A sum's order of additions depends on the number of inputs alone.
#include <cstddef>

#include "ops/cpu/amx_kernels.h"
#include "ops/cpu/amx_tiles.h"

namespace poro::amx {
namespace {

// Rows become columns.
inline void transpose(__m512i (&rows)[16]) {
  __m512i pairs[16], quads[16];
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; ++j) {
      quads[i + 2 * j] = _mm512_unpacklo_epi64(pairs[i + j], pairs[i + j + 2]);
      quads[i + 2 * j + 1] = _mm512_unpackhi_epi64(pairs[i + j], pairs[i + j + 2]);
    }
  for (int j = 0; j < 4; ++j) {
    const __m512i low0 = _mm512_shuffle_i32x4(quads[j], quads[j + 4], 0x88);
    const __m512i low1 = _mm512_shuffle_i32x4(quads[j + 8], quads[j + 12], 0x88);
    const __m512i high0 = _mm512_shuffle_i32x4(quads[j], quads[j + 4], 0xdd);
    const __m512i high1 = _mm512_shuffle_i32x4(quads[j + 8], quads[j + 12], 0xdd);
    rows[j] = _mm512_shuffle_i32x4(low0, low1, 0x88);
    rows[j + 8] = _mm512_shuffle_i32x4(low0, low1, 0xdd);
    rows[j + 4] = _mm512_shuffle_i32x4(high0, high1, 0x88);
    rows[j + 12] = _mm512_shuffle_i32x4(high0, high1, 0xdd);
  }
}

inline __mmask16 first_lanes(int64_t count) {
  return count >= 16  ? __mmask16{0xffff}
         : count <= 0 ? __mmask16{0}
                      : static_cast<__mmask16>((1u << count) - 1);
}

// One panel of weights: outputs [row, row + 32) and inputs [begin, begin + kChunk), as far as they exist.
struct Panel {
  const BFloat16* w = nullptr;
  int64_t stride = 0;
  int64_t rows = 0;
  int64_t inputs = 0;
};

// Brings a panel into tile order (step, two tiles of 16 rows of 64 bytes) while another is being multiplied:
// at each of `steps` steps a few of its lines. The first half of the steps asks memory for them, the second
// half copies them, so that neither waits. What does not exist becomes zero.
class Packing {
 public:
  Packing(const Panel& panel, std::byte* packed, int64_t steps)
      : panel_(panel), packed_(packed), lines_of_row_((panel.inputs + kStep - 1) / kStep) {
    const int64_t half = steps / 2;
    lines_per_step_ = half > 0 ? (kPanel * lines_of_row_ + half - 1) / half : 0;
    steps_to_fetch_ = half;
  }

  void step() {
    if (steps_to_fetch_ > 0) {
      --steps_to_fetch_;
      for (int64_t i = 0; i < lines_per_step_ && fetched_.row < panel_.rows; ++i) {
        _mm_prefetch(reinterpret_cast<const char*>(source(fetched_)), _MM_HINT_T1);
        advance(fetched_);
      }
    } else {
      copy(lines_per_step_);
    }
  }

  void finish() { copy(kPanel * lines_of_row_); }

 private:
  struct Line {
    int64_t row = 0, line = 0;
  };

  const BFloat16* source(const Line& at) const { return panel_.w + at.row * panel_.stride + at.line * kStep; }
  void advance(Line& at) const {
    if (++at.line == lines_of_row_) at = {.row = at.row + 1, .line = 0};
  }

  void copy(int64_t lines) {
    for (; lines > 0 && copied_.row < kPanel; --lines, advance(copied_)) {
      const int64_t left = panel_.inputs - copied_.line * kStep;
      const __mmask32 lanes = copied_.row >= panel_.rows ? 0
                              : left >= kStep            ? ~__mmask32{0}
                                                         : (__mmask32{1} << left) - 1;
      _mm512_store_si512(packed_ + copied_.line * 2 * kTileBytes + copied_.row * kRowBytes,
                         _mm512_maskz_loadu_epi16(lanes, source(copied_)));
    }
  }

  const Panel panel_;
  std::byte* const packed_;
  const int64_t lines_of_row_;
  int64_t lines_per_step_, steps_to_fetch_;
  Line fetched_, copied_;
};

// Where four tiles of sums come from (none: they start at zero) and go to; may be the same.
struct Sums {
  const std::byte* from;
  std::byte* to;
};

// 32 outputs x 32 tokens over the steps of one chunk.
inline void multiply(const std::byte* w, const std::byte* x, int64_t steps, const Sums& sums, Packing& next) {
  if (sums.from == nullptr) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, sums.from, kRowBytes);
    _tile_loadd(1, sums.from + kTileBytes, kRowBytes);
    _tile_loadd(2, sums.from + 2 * kTileBytes, kRowBytes);
    _tile_loadd(3, sums.from + 3 * kTileBytes, kRowBytes);
  }
  for (int64_t step = 0; step < steps; ++step, w += 2 * kTileBytes, x += 2 * kTileBytes) {
    _tile_loadd(4, w, kRowBytes);
    _tile_loadd(6, x, kRowBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, x + kTileBytes, kRowBytes);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, w + kTileBytes, kRowBytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    next.step();
  }
  _tile_stored(0, sums.to, kRowBytes);
  _tile_stored(1, sums.to + kTileBytes, kRowBytes);
  _tile_stored(2, sums.to + 2 * kTileBytes, kRowBytes);
  _tile_stored(3, sums.to + 3 * kTileBytes, kRowBytes);
}

// Four tiles of sums, each 16 outputs x 16 tokens, to their places in y. Whole lines without a residual go to
// memory directly, because the caches have no room for them until they are read.
void write_out(const ProductArgs& args, const std::byte* sums, int64_t output, int64_t token) {
  const bool is_streamed =
      args.residual == nullptr && args.outputs % 16 == 0 && reinterpret_cast<uintptr_t>(args.y) % 64 == 0;
  for (int tile = 0; tile < 4; ++tile) {
    __m512i rows[16];
    for (int i = 0; i < 16; ++i) rows[i] = _mm512_load_si512(sums + tile * kTileBytes + i * kRowBytes);
    transpose(rows);
    const int64_t o = output + tile / 2 * 16, t = token + tile % 2 * 16;
    const __mmask16 lanes = first_lanes(args.last - o);
    for (int i = 0; i < 16 && t + i < args.tokens; ++i) {
      __m512 value = _mm512_castsi512_ps(rows[i]);
      const int64_t at = (t + i) * args.outputs + o;
      if (args.residual != nullptr)
        value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(lanes, args.residual + at));
      if (is_streamed && lanes == 0xffff)
        _mm512_stream_ps(args.y + at, value);
      else
        _mm512_mask_storeu_ps(args.y + at, lanes, value);
    }
  }
}

int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

}  // namespace

void pack_tokens(const PackArgs& args) {
  const int64_t groups = token_groups(args.tokens), inputs = padded_inputs(args.inputs);
  for (int64_t begin = 0; begin < inputs; begin += kChunk) {
    const int64_t steps = smaller(kChunk, inputs - begin) / kStep;
    for (int64_t tile = 2 * args.first_group; tile < 2 * args.last_group; ++tile) {
      std::byte* to = args.packed +
                      (begin * groups * kTokenGroup + tile / 2 * kTokenGroup * steps * kStep) * 2 +
                      tile % 2 * kTileBytes;
      for (int64_t step = 0; step < steps; ++step, to += 2 * kTileBytes) {
        __m512i rows[16];
        for (int64_t i = 0; i < 16; ++i) {
          const int64_t t = tile * 16 + i, from = begin + step * kStep;
          const int64_t count = t < args.tokens ? args.inputs - from : 0;
          const float* x = args.x + (t < args.tokens ? t : 0) * args.inputs + from;
          const __m512 low = _mm512_maskz_loadu_ps(first_lanes(count), x);
          const __m512 high = _mm512_maskz_loadu_ps(first_lanes(count - 16), x + 16);
          rows[i] = (__m512i)_mm512_cvtne2ps_pbh(high, low);
        }
        transpose(rows);
        for (int i = 0; i < 16; ++i) _mm512_store_si512(to + i * kRowBytes, rows[i]);
      }
    }
  }
}

void product(const ProductArgs& args) {
  std::byte* const sums = args.scratch;
  std::byte* packed_panel = sums + kBlockOutputs * kBlockTokens * 4;
  std::byte* next_panel = packed_panel + kPanel * kChunk * 2;
  std::byte* const results = next_panel + kPanel * kChunk * 2;
  const int64_t groups = token_groups(args.tokens);
  const auto panel_at = [&](int64_t output, int64_t begin) {
    return Panel{.w = args.w + output * args.inputs + begin,
                 .stride = args.inputs,
                 .rows = smaller(kPanel, args.last - output),
                 .inputs = smaller(kChunk, args.inputs - begin)};
  };
  if (args.first >= args.last) return;
  configure_tiles();
  Packing(panel_at(args.first, 0), packed_panel, 0).finish();
  for (int64_t block = args.first; block < args.last; block += kBlockOutputs) {
    const int64_t block_end = smaller(args.last, block + kBlockOutputs);
    for (int64_t begin = 0; begin < args.inputs; begin += kChunk) {
      const bool is_last_chunk = begin + kChunk >= args.inputs;
      const int64_t steps = (smaller(kChunk, args.inputs - begin) + kStep - 1) / kStep;
      const std::byte* x = args.packed + begin * groups * kTokenGroup * 2;
      for (int64_t output = block; output < block_end; output += kPanel) {
        Panel next;  // None behind the last.
        if (output + kPanel < block_end)
          next = panel_at(output + kPanel, begin);
        else if (!is_last_chunk)
          next = panel_at(block, begin + kChunk);
        else if (block_end < args.last)
          next = panel_at(block_end, 0);
        Packing packing(next, next_panel, groups * steps);
        finish_writes(packed_panel);
        for (int64_t group = 0; group < groups; ++group) {
          std::byte* block_sums = sums + ((output - block) / kPanel * groups + group) * 4 * kTileBytes;
          multiply(packed_panel, x + group * kTokenGroup * steps * kStep * 2, steps,
                   {.from = begin == 0 ? nullptr : block_sums, .to = is_last_chunk ? results : block_sums},
                   packing);
          if (is_last_chunk) write_out(args, results, output, group * kTokenGroup);
        }
        packing.finish();
        std::byte* const free_panel = packed_panel;
        packed_panel = next_panel;
        next_panel = free_panel;
      }
    }
  }
  _tile_release();
  _mm_sfence();  // The streamed results, before other threads read them.
}

double bf16_rounds(int64_t rounds) {
  alignas(64) static const std::byte zeros[16 * 2 * kTileBytes] = {};
  alignas(64) std::byte sums[4 * kTileBytes];
  configure_tiles();
  Packing nothing({}, nullptr, 0);
  for (int64_t round = 0; round < rounds; ++round)
    multiply(zeros, zeros, 8, {.from = round == 0 ? nullptr : sums, .to = sums}, nothing);
  _tile_release();
  return static_cast<double>(rounds) * 8 * 4 * 2.0 * 16 * 16 * 32;
}

double int8_rounds(int64_t rounds) {
  alignas(64) static const std::byte zeros[2 * kTileBytes] = {};
  configure_tiles();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t round = 0; round < rounds; ++round) {
    _tile_loadd(4, zeros, kRowBytes);
    _tile_loadd(6, zeros, kRowBytes);
    _tile_dpbssd(0, 4, 6);
    _tile_loadd(7, zeros + kTileBytes, kRowBytes);
    _tile_dpbssd(1, 4, 7);
    _tile_loadd(5, zeros + kTileBytes, kRowBytes);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_release();
  return static_cast<double>(rounds) * 4 * 2.0 * 16 * 16 * 64;
}

}  // namespace poro::amx
