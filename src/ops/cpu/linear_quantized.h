// The parts of a product with quantised weights: activations in int8, and the kernel of each instruction set,
// which multiplies them with the blocks of one panel (ops/quantize.h).
//
// The sums within a group are exact integers, and each group then adds fma(sum, x scale * w scale, y) in the
// order of the columns. So every kernel, every number of threads and every number of tokens gives the same
// bits.
#pragma once

#include "ops/quantize.h"

namespace poro {

// Tokens in int8: x = value * scale, one scale per token and group of columns. Group-major, as the kernels
// read them.
struct QuantizedTokens {
  int8_t* values;  // (groups, tokens, columns)
  float* scales;   // (groups, tokens)
  int32_t*
      biases;  // (groups, tokens): -128 times the sum of the values, for kernels that add 128 to the weights
  int64_t columns;  // Of a group.
  int64_t tokens;   // With padding.

  QuantizedTokens at(int64_t group, int64_t token) const {
    QuantizedTokens part = *this;
    const int64_t row = group * tokens + token;
    part.values += row * columns;
    part.scales += row;
    part.biases += row;
    return part;
  }
};

// Bytes that the next products will read; a kernel that has time asks memory for them.
struct Ahead {
  const std::byte* data = nullptr;
  int64_t bytes = 0;
};

struct PanelProduct {
  const std::byte* blocks;  // The first of `num_groups` blocks
  int64_t num_groups;
  QuantizedTokens x;   // From the first group and token on
  int64_t num_tokens;  // A multiple of the kernel's tile
  float* y;            // (num_tokens / tile, 2, tile, 16 rows), added to
  Ahead blocks_ahead = {}, x_ahead = {};
};

struct QuantizedKernel {
  // Quantises one token's group of columns: x[0..count) and zeros behind.
  void (*quantize_group)(const float* x, int64_t count, const QuantizedTokens& to);
  void (*multiply_int8)(const PanelProduct&);
  void (*multiply_int4)(const PanelProduct&);
  int64_t token_tile;  // Tokens whose sums lie together: tokens are padded to a multiple of it.

  auto multiply(DType dtype) const { return dtype == DType::kI8 ? multiply_int8 : multiply_int4; }
};

QuantizedKernel quantized_kernel_portable();
QuantizedKernel quantized_kernel_avx2();
QuantizedKernel quantized_kernel_vnni();
QuantizedKernel quantized_kernel_amx();

}  // namespace poro
