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

// A slice: 32 rows times four columns of a token.
inline void multiply_slice(const int8_t* slice, const int8_t* x, int32_t* sums) {
  for (int r = 0; r < kPanelRows; ++r)
    for (int c = 0; c < 4; ++c) sums[r] += static_cast<int32_t>(slice[4 * r + c]) * x[c];
}

inline void multiply_slices(const Int8Block&, const std::byte* slices, const int8_t* x, int32_t* sums) {
  for (int64_t j = 0; j < Int8Block::kSlices; ++j)
    multiply_slice(reinterpret_cast<const int8_t*>(slices) + j * kSliceBytes, x + j * 4, sums);
}

inline void multiply_slices(const Int4Block&, const std::byte* slices, const int8_t* x, int32_t* sums) {
  for (int64_t j = 0; j < Int4Block::kSlices; ++j) {
    int8_t low[kSliceBytes], high[kSliceBytes];
    for (int64_t i = 0; i < kSliceBytes; ++i) {
      const uint8_t pair = static_cast<uint8_t>(slices[j * kSliceBytes + i]);
      low[i] = kInt4Levels[pair & 15u];
      high[i] = kInt4Levels[pair >> 4];
    }
    multiply_slice(low, x + j * 4, sums);
    multiply_slice(high, x + Int4Block::kColumns / 2 + j * 4, sums);
  }
}

template <class Block>
void multiply(const PanelProduct& task) {
  for (int64_t group = 0; group < task.num_groups; ++group) {
    const std::byte* block = task.blocks + group * Block::kBytes;
    const BFloat16* scales = reinterpret_cast<const BFloat16*>(block);
    for (int64_t token = 0; token < task.num_tokens; ++token) {
      const QuantizedTokens x = task.x.at(group, token);
      int32_t sums[kPanelRows] = {};
      multiply_slices(Block{}, block + kScaleBytes, x.values, sums);
      float* y = task.y + token * kPanelRows;
      for (int r = 0; r < kPanelRows; ++r)
        y[r] = std::fma(static_cast<float>(sums[r]), *x.scales * static_cast<float>(scales[r]), y[r]);
    }
  }
}

}  // namespace

QuantizedKernel quantized_kernel_portable() {
  return {.quantize_group = quantize_group,
          .multiply_int8 = multiply<Int8Block>,
          .multiply_int4 = multiply<Int4Block>,
          .token_tile = 1};
}

}  // namespace poro
