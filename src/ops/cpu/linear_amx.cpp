// Blocks of the product, from the outside in: kBlockOutputs outputs, whose sums rest in the second-level
// cache; kChunk of K; a panel of 32 outputs, whose weights are copied into tile order while the panel before
// is multiplied, and then stay in the first-level cache; 16 tokens. A sum's order of additions depends on K
// alone.
//
// The innermost loop uses four tiles of eight: two of sums, and one for each operand, though that takes three
// loads for two multiplications where 2 x 2 tiles of sums take four for four. On a core that, it seems,
// shares the registers behind the tiles with a busy hyperthread, each load or multiplication waits for a free
// one: a loop that uses all eight tiles then ran at a quarter of its speed, this one at half
// (docs/performance.md).
#define PORO_ISA amx
#include <cstddef>

#include "ops/cpu/amx_kernels.h"
#include "ops/cpu/amx_packing.h"

namespace poro::amx {
namespace {

// Where two tiles of sums come from (none: they start at zero) and go to; may be the same.
struct Sums {
  const std::byte* from;
  std::byte* to;
};

// 16 tokens x 32 outputs over the steps of one chunk. The tokens are needed once for each panel, so they stay
// out of the first-level cache.
template <Kind kKind, class Packing>
inline void multiply(const std::byte* panel, const std::byte* tokens, int64_t steps, const Sums& sums,
                     Packing& next) {
  if (sums.from == nullptr) {
    _tile_zero(0);
    _tile_zero(1);
  } else {
    _tile_loadd(0, sums.from, kRowBytes);
    _tile_loadd(1, sums.from + kTileBytes, kRowBytes);
  }
  for (int64_t step = 0; step < steps; ++step, panel += 2 * kTileBytes, tokens += kTileBytes) {
    _tile_stream_loadd(2, tokens, kRowBytes);
    _tile_loadd(3, panel, kRowBytes);
    if constexpr (kKind == Kind::kForward) {
      _tile_dpbf16ps(0, 3, 2);
    } else {
      _tile_dpbf16ps(0, 2, 3);
    }
    _tile_loadd(3, panel + kTileBytes, kRowBytes);
    if constexpr (kKind == Kind::kForward) {
      _tile_dpbf16ps(1, 3, 2);
    } else {
      _tile_dpbf16ps(1, 2, 3);
    }
    next.step();
  }
  _tile_stored(0, sums.to, kRowBytes);
  _tile_stored(1, sums.to + kTileBytes, kRowBytes);
}

// Two tiles of sums to their places in y. Whole lines without a residual go to memory directly, because the
// caches have no room for them until they are read.
template <Kind kKind>
void write_out(const ProductArgs& args, const std::byte* sums, int64_t output, int64_t token) {
  const bool is_streamed =
      args.residual == nullptr && args.outputs % 16 == 0 && reinterpret_cast<uintptr_t>(args.y) % 64 == 0;
  for (int tile = 0; tile < 2; ++tile, output += 16) {
    __m512i rows[16];
    for (int i = 0; i < 16; ++i) rows[i] = _mm512_load_si512(sums + tile * kTileBytes + i * kRowBytes);
    if constexpr (kKind == Kind::kForward) transpose(rows);
    const __mmask16 lanes = first_lanes(args.last - output);
    for (int i = 0; i < 16 && token + i < args.tokens; ++i) {
      __m512 value = _mm512_castsi512_ps(rows[i]);
      const int64_t at = (token + i) * args.outputs + output;
      if (args.residual != nullptr)
        value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(lanes, args.residual + at));
      if (is_streamed && lanes == 0xffff)
        _mm512_stream_ps(args.y + at, value);
      else
        _mm512_mask_storeu_ps(args.y + at, lanes, value);
    }
  }
}

// Asks memory for the part of the residual that write_out() will read.
void fetch_residual(const ProductArgs& args, int64_t output, int64_t token) {
  if (args.residual == nullptr) return;
  for (int64_t t = token; t < smaller(token + kTokenGroup, args.tokens); ++t) {
    const char* row = reinterpret_cast<const char*>(args.residual + t * args.outputs + output);
    _mm_prefetch(row, _MM_HINT_T1);
    _mm_prefetch(row + 64, _MM_HINT_T1);
  }
}

// Sixteen rows of a tile of the packed tokens, from token t and input k on.
template <Kind kKind>
void load_tile(const PackArgs& args, int64_t t, int64_t k, __m512i (&rows)[16]) {
  for (int64_t i = 0; i < 16; ++i) {
    if constexpr (kKind == Kind::kWeightGradient) {
      const float* even = args.x + (k + 2 * i) * args.stride + t;
      const __mmask16 lanes = first_lanes(args.tokens - t);
      const __m512 a = _mm512_maskz_loadu_ps(k + 2 * i < args.inputs ? lanes : __mmask16{0}, even);
      const __m512 b =
          _mm512_maskz_loadu_ps(k + 2 * i + 1 < args.inputs ? lanes : __mmask16{0}, even + args.stride);
      const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(b, a);
      rows[i] = interleave<0>(both, _mm512_shuffle_i64x2(both, both, 0x4e));
    } else {
      const int64_t count = t + i < args.tokens ? args.inputs - k : 0;
      const float* x = args.x + (count > 0 ? (t + i) * args.stride + k : 0);
      const __m512 low = _mm512_maskz_loadu_ps(first_lanes(count), x);
      const __m512 high = _mm512_maskz_loadu_ps(first_lanes(count - 16), x + 16);
      rows[i] = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    }
  }
  // Rows of tokens are rows of a left operand as they are; the other two lie the other way.
  if constexpr (kKind != Kind::kInputGradient) transpose(rows);
}

// In the order in which x lies, so that memory is read line after line.
template <Kind kKind>
void pack_tokens_of(const PackArgs& args) {
  const int64_t groups = token_groups(args.tokens), inputs = padded_inputs(args.inputs);
  for (int64_t begin = 0; begin < inputs; begin += kChunk) {
    const int64_t steps = smaller(kChunk, inputs - begin) / kStep;
    const auto pack = [&](int64_t group, int64_t step) {
      __m512i rows[16];
      load_tile<kKind>(args, group * kTokenGroup, begin + step * kStep, rows);
      std::byte* to = args.packed + begin * groups * kTokenGroup * 2 + (group * steps + step) * kTileBytes;
      for (int i = 0; i < 16; ++i) _mm512_store_si512(to + i * kRowBytes, rows[i]);
    };
    if constexpr (kKind == Kind::kWeightGradient) {
      for (int64_t step = 0; step < steps; ++step)
        for (int64_t group = args.first_group; group < args.last_group; ++group) pack(group, step);
    } else {
      for (int64_t group = args.first_group; group < args.last_group; ++group)
        for (int64_t step = 0; step < steps; ++step) pack(group, step);
    }
  }
}

template <Kind kKind, class Panel>
Panel panel_at(const ProductArgs& args, int64_t output, int64_t begin) {
  constexpr bool kIsForward = kKind == Kind::kForward;
  const int64_t stride = kIsForward ? args.inputs : args.outputs;
  const auto* w = static_cast<decltype(Panel::w)>(args.w);
  return Panel{.w = w + (kIsForward ? output * stride + begin : begin * stride + output),
               .stride = stride,
               .outputs = smaller(kPanel, args.last - output),
               .inputs = smaller(kChunk, args.inputs - begin)};
}

template <Kind kKind, class Panel>
void product_of(const ProductArgs& args) {
  std::byte* const sums = args.scratch;
  std::byte* packed_panel = sums + kBlockOutputs * kBlockTokens * 4;
  std::byte* next_panel = packed_panel + kPanel * kChunk * 2;
  std::byte* const results = next_panel + kPanel * kChunk * 2;
  const int64_t groups = token_groups(args.tokens);
  const auto panel = [&](int64_t output, int64_t begin) {
    return panel_at<kKind, Panel>(args, output, begin);
  };
  if (args.first >= args.last) return;
  configure_tiles();
  Packing<Panel>(panel(args.first, 0), packed_panel, 0).finish();
  for (int64_t block = args.first; block < args.last; block += kBlockOutputs) {
    const int64_t block_end = smaller(args.last, block + kBlockOutputs);
    for (int64_t begin = 0; begin < args.inputs; begin += kChunk) {
      const bool is_last_chunk = begin + kChunk >= args.inputs;
      const int64_t steps = (smaller(kChunk, args.inputs - begin) + kStep - 1) / kStep;
      const std::byte* x = args.packed + begin * groups * kTokenGroup * 2;
      for (int64_t output = block; output < block_end; output += kPanel) {
        Panel next;  // None behind the last.
        if (output + kPanel < block_end)
          next = panel(output + kPanel, begin);
        else if (!is_last_chunk)
          next = panel(block, begin + kChunk);
        else if (block_end < args.last)
          next = panel(block_end, 0);
        Packing<Panel> packing(next, next_panel, groups * steps);
        finish_writes(packed_panel);
        for (int64_t group = 0; group < groups; ++group) {
          std::byte* block_sums = sums + ((output - block) / kPanel * groups + group) * 2 * kTileBytes;
          if (is_last_chunk) fetch_residual(args, output, group * kTokenGroup);
          multiply<kKind>(
              packed_panel, x + group * steps * kTileBytes, steps,
              {.from = begin == 0 ? nullptr : block_sums, .to = is_last_chunk ? results : block_sums},
              packing);
          if (is_last_chunk) write_out<kKind>(args, results, output, group * kTokenGroup);
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

}  // namespace

void pack_tokens(Kind kind, const PackArgs& args) {
  switch (kind) {
    case Kind::kForward:
      return pack_tokens_of<Kind::kForward>(args);
    case Kind::kInputGradient:
      return pack_tokens_of<Kind::kInputGradient>(args);
    case Kind::kWeightGradient:
      return pack_tokens_of<Kind::kWeightGradient>(args);
  }
}

void product(Kind kind, const ProductArgs& args) {
  switch (kind) {
    case Kind::kForward:
      return product_of<Kind::kForward, RowPanel>(args);
    case Kind::kInputGradient:
      return product_of<Kind::kInputGradient, PairPanel<BFloat16>>(args);
    case Kind::kWeightGradient:
      return product_of<Kind::kWeightGradient, PairPanel<float>>(args);
  }
}

double bf16_rounds(int64_t rounds) {
  alignas(64) static const std::byte zeros[3 * kTileBytes] = {};
  configure_tiles();
  for (int64_t round = 0; round < rounds; ++round) {
    _tile_loadd(2, zeros, kRowBytes);
    _tile_loadd(3, zeros + kTileBytes, kRowBytes);
    _tile_dpbf16ps(0, 3, 2);
    _tile_loadd(3, zeros + 2 * kTileBytes, kRowBytes);
    _tile_dpbf16ps(1, 3, 2);
  }
  _tile_release();
  return static_cast<double>(rounds) * 2 * 2.0 * 16 * 16 * 32;
}

double int8_rounds(int64_t rounds) {
  alignas(64) static const std::byte zeros[3 * kTileBytes] = {};
  configure_tiles();
  for (int64_t round = 0; round < rounds; ++round) {
    _tile_loadd(2, zeros, kRowBytes);
    _tile_loadd(3, zeros + kTileBytes, kRowBytes);
    _tile_dpbssd(0, 2, 3);
    _tile_loadd(3, zeros + 2 * kTileBytes, kRowBytes);
    _tile_dpbssd(1, 2, 3);
  }
  _tile_release();
  return static_cast<double>(rounds) * 2 * 2.0 * 16 * 16 * 64;
}

}  // namespace poro::amx
