// Plain loops: the kernel for processors that have no better one here, and the others' definition.
#include <algorithm>
#include <cmath>

#include "ops/cpu/linear_quantized.h"

namespace poro {
namespace {

void quantize_group(const float* x, int64_t count, const QuantizedTokens& to) {
  float largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
  int32_t sum = 0;
  for (int64_t i = 0; i < to.columns; ++i) {
    const float level = i < count ? std::nearbyint(x[i] * inverse) : 0.0f;
    to.values[i] = static_cast<int8_t>(std::clamp(level, -127.0f, 127.0f));
    sum += to.values[i];
  }
  *to.scales = largest * (1.0f / 127.0f);
  *to.biases = -128 * sum;
}

// One line of sixteen rows times four columns of a token.
inline void multiply_line(const int8_t* line, const int8_t* x, int32_t* sums) {
  for (int r = 0; r < 16; ++r)
    for (int c = 0; c < 4; ++c) sums[r] += static_cast<int32_t>(line[4 * r + c]) * x[c];
}

inline void multiply_half(const Int8Block&, const std::byte* half, const int8_t* x, int32_t* sums) {
  for (int64_t j = 0; j < Int8Block::kColumns / 4; ++j)
    multiply_line(reinterpret_cast<const int8_t*>(half) + j * 64, x + j * 4, sums);
}

inline void multiply_half(const Int4Block&, const std::byte* half, const int8_t* x, int32_t* sums) {
  for (int64_t j = 0; j < Int4Block::kColumns / 8; ++j) {
    int8_t low[64], high[64];
    for (int64_t i = 0; i < 64; ++i) {
      const uint8_t pair = static_cast<uint8_t>(half[j * 64 + i]);
      low[i] = kInt4Levels[pair & 15u];
      high[i] = kInt4Levels[pair >> 4];
    }
    multiply_line(low, x + j * 4, sums);
    multiply_line(high, x + Int4Block::kColumns / 2 + j * 4, sums);
  }
}

template <class Block>
void multiply(const PanelProduct& task) {
  for (int64_t group = 0; group < task.num_groups; ++group) {
    const std::byte* block = task.blocks + group * Block::kBytes;
    const BFloat16* scales = reinterpret_cast<const BFloat16*>(block);
    for (int64_t token = 0; token < task.num_tokens; ++token) {
      const QuantizedTokens x = task.x.at(group, token);
      for (int64_t half = 0; half < 2; ++half) {
        int32_t sums[16] = {};
        multiply_half(Block{}, block + kScaleBytes + half * Block::kHalfBytes, x.values, sums);
        float* y = task.y + token * kPanelRows + half * 16;
        for (int r = 0; r < 16; ++r)
          y[r] = std::fma(static_cast<float>(sums[r]), *x.scales * static_cast<float>(scales[half * 16 + r]), y[r]);
      }
    }
  }
}

}  // namespace

QuantizedKernel quantized_kernel_portable() {
  return {.quantize_group = quantize_group,
          .multiply_int8 = multiply<Int8Block>,
          .multiply_int4 = multiply<Int4Block>,
          .token_padding = 1};
}

}  // namespace poro
