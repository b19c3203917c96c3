// y = x W^T (+ residual) with int8 or int4 weights: the tokens are quantised to int8 on the fly, then the
// threads share the panels. Few tokens: one pass over the weights, as they lie. Many tokens: tiles of panels,
// columns and tokens whose operands stay in the second-level cache.
#include "ops/cpu/linear_quantized.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "ops/cpu/linear_kernels.h"

namespace poro {
namespace {

constexpr int64_t kMaxTokens = 512;  // Quantised at a time.

// AVX-512 without VNNI has nothing for bytes that AVX2 lacks. Tiles pay from the first that is more than half
// full.
QuantizedKernel choose_kernel(Isa isa, int64_t num_tokens) {
#if defined(__x86_64__)
  if (isa >= Isa::kAmx && num_tokens > 8) return quantized_kernel_amx();
  if (isa >= Isa::kVnni) return quantized_kernel_vnni();
  if (isa >= Isa::kAvx2) return quantized_kernel_avx2();
#endif
  static_cast<void>(isa);
  static_cast<void>(num_tokens);
  return quantized_kernel_portable();
}

// How the work is cut: a thread takes `panels` panels at a time and within them `groups` groups of columns.
struct Tiles {
  int64_t panels, groups;
};

Tiles choose_tiles(int64_t num_tokens, int64_t num_groups, int64_t columns) {
  if (num_tokens <= 32) return {.panels = 1, .groups = num_groups};
  return {.panels = 8, .groups = std::min(num_groups, 512 / columns)};
}

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// The scratch memory of one call.
struct Plan {
  QuantizedTokens x;
  float* sums;             // (threads, panels, tokens, 32), each thread's on pages of its own
  int64_t sums_of_thread;  // Elements.
};

Plan plan_memory(Cpu& cpu, const Shape& blocks, int64_t columns, int64_t tokens, const Tiles& tiles) {
  constexpr int64_t kPage = 4096;
  const int64_t rows = blocks[1] * tokens;
  const int64_t value_bytes = round_up(rows * columns, kPage), scale_bytes = round_up(rows * 4, kPage);
  const int64_t sums_bytes = round_up(tiles.panels * tokens * kPanelRows * 4, kPage);
  std::byte* memory =
      cpu.scratch(static_cast<size_t>(value_bytes + 2 * scale_bytes + cpu.pool.size() * sums_bytes));
  return {.x = {.values = reinterpret_cast<int8_t*>(memory),
                .scales = reinterpret_cast<float*>(memory + value_bytes),
                .biases = reinterpret_cast<int32_t*>(memory + value_bytes + scale_bytes),
                .columns = columns,
                .tokens = tokens},
          .sums = reinterpret_cast<float*>(memory + value_bytes + 2 * scale_bytes),
          .sums_of_thread = sums_bytes / 4};
}

// Rows [0, op.x.dim(0)) of x; the padding behind them becomes zeros.
void quantize_tokens(Cpu& cpu, const QuantizedKernel& kernel, const Tensor& x, const QuantizedTokens& to) {
  const int64_t inputs = x.dim(1), groups = (inputs + to.columns - 1) / to.columns;
  // A few tokens take less time than waking the threads.
  parallel_for(cpu.pool, to.tokens, 8, [&](Range tokens) {
    for (int64_t token = tokens.begin; token < tokens.end; ++token)
      for (int64_t group = 0; group < groups; ++group) {
        const int64_t begin = group * to.columns;
        const bool is_padding = token >= x.dim(0);
        kernel.quantize_group(is_padding ? nullptr : x.as<float>() + token * inputs + begin,
                              is_padding ? 0 : std::min(to.columns, inputs - begin), to.at(group, token));
      }
  });
}

constexpr int64_t kHalf = kPanelRows / 2;  // Rows whose sums lie together.

// Sixteen results of one token. Of many tokens they would only push other data out of the caches, so they go
// to memory directly.
inline void store_half(float* y, const float* sums, const float* residual,
                       [[maybe_unused]] bool is_streamed) {
  if (residual != nullptr) {
    for (int64_t r = 0; r < kHalf; ++r) y[r] = sums[r] + residual[r];
    return;
  }
#if defined(__x86_64__)
  if (is_streamed) {
    for (int64_t r = 0; r < kHalf; r += 4) _mm_stream_ps(y + r, _mm_loadu_ps(sums + r));
    return;
  }
#endif
  std::memcpy(y, sums, kHalf * sizeof(float));
}

// The sums of a panel, in the kernel's order, into its 32 columns of y.
void store_panel(const Linear& op, int64_t panel, const float* sums, int64_t tile) {
  constexpr int64_t kManyTokens = 64;
  const int64_t outputs = op.w.outputs(), tokens = op.x.dim(0);
  const bool is_streamed =
      tokens >= kManyTokens && outputs % kHalf == 0 && reinterpret_cast<uintptr_t>(op.y.data) % 64 == 0;
  for (int64_t half = 0; half < 2; ++half) {
    const int64_t first = panel * kPanelRows + half * kHalf,
                  rows = std::clamp<int64_t>(outputs - first, 0, kHalf);
    for (int64_t token = 0; token < tokens; ++token) {
      const int64_t at = token * outputs + first;
      const float* from = sums + ((token / tile * 2 + half) * tile + token % tile) * kHalf;
      const float* residual = op.residual ? op.residual.as<float>() + at : nullptr;
      float* y = op.y.as<float>() + at;
      if (rows == kHalf) {
        store_half(y, from, residual, is_streamed);
      } else {
        for (int64_t r = 0; r < rows; ++r) y[r] = from[r] + (residual != nullptr ? residual[r] : 0.0f);
      }
    }
  }
#if defined(__x86_64__)
  if (is_streamed) _mm_sfence();
#endif
}

// What the products after that of panel `p` and `group` read: the blocks of the next panel or, behind the
// last one, those of the first panel's next groups; and of the next groups' tokens an equal share for every
// panel.
void look_ahead(const Linear& op, const QuantizedTokens& x, const Tiles& tiles, int64_t first, int64_t panels,
                PanelProduct& product, int64_t p, int64_t group) {
  const int64_t num_groups = op.w.values.dim(1), block_bytes = op.w.values.dim(2);
  const int64_t next_group = group + tiles.groups, left = num_groups - next_group;
  const auto blocks = [&](int64_t panel, int64_t g) {
    return op.w.values.data + (panel * num_groups + g) * block_bytes;
  };
  if (p + 1 < panels)
    product.blocks_ahead = {.data = blocks(first + p + 1, group), .bytes = product.num_groups * block_bytes};
  else if (left > 0)
    product.blocks_ahead = {.data = blocks(first, next_group),
                            .bytes = std::min(tiles.groups, left) * block_bytes};
  if (left > 0) {
    const int64_t share = std::min(tiles.groups, left) * x.tokens * x.columns / panels;
    product.x_ahead = {.data = reinterpret_cast<const std::byte*>(x.at(next_group, 0).values) + p * share,
                       .bytes = share};
  }
}

void multiply_tokens(Cpu& cpu, const QuantizedKernel& kernel, const Linear& op) {
  const Shape& blocks = op.w.values.shape;
  const int64_t num_groups = blocks[1], block_bytes = blocks[2], columns = group_columns(op.w.dtype());
  const int64_t tokens = round_up(op.x.dim(0), kernel.token_tile);
  const Tiles tiles = choose_tiles(tokens, num_groups, columns);
  const Plan plan = plan_memory(cpu, blocks, columns, tokens, tiles);
  quantize_tokens(cpu, kernel, op.x, plan.x);
  const auto multiply = kernel.multiply(op.w.dtype());
  cpu.pool.run([&](int thread) {
    float* sums = plan.sums + thread * plan.sums_of_thread;
    const Range mine = share(blocks[0], thread, cpu.pool.size());
    for (int64_t first = mine.begin; first < mine.end; first += tiles.panels) {
      const int64_t panels = std::min(tiles.panels, mine.end - first);
      std::fill_n(sums, panels * tokens * kPanelRows, 0.0f);
      for (int64_t group = 0; group < num_groups; group += tiles.groups)
        for (int64_t p = 0; p < panels; ++p) {
          PanelProduct product = {
              .blocks = op.w.values.data + ((first + p) * num_groups + group) * block_bytes,
              .num_groups = std::min(tiles.groups, num_groups - group),
              .x = plan.x.at(group, 0),
              .num_tokens = tokens,
              .y = sums + p * tokens * kPanelRows};
          look_ahead(op, plan.x, tiles, first, panels, product, p, group);
          multiply(product);
        }
      for (int64_t p = 0; p < panels; ++p)
        store_panel(op, first + p, sums + p * tokens * kPanelRows, kernel.token_tile);
    }
  });
}

}  // namespace

void linear_quantized(Cpu& cpu, const Linear& op) {
  for (int64_t first = 0; first < op.x.dim(0); first += kMaxTokens) {
    const int64_t count = std::min(kMaxTokens, op.x.dim(0) - first);
    Linear part = op;
    part.x = op.x.rows(first, count);
    part.y = op.y.rows(first, count);
    if (op.residual) part.residual = op.residual.rows(first, count);
    multiply_tokens(cpu, choose_kernel(cpu.isa, count), part);
  }
}

}  // namespace poro
