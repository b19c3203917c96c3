// Products of bf16 on the AMX tiles: y[t, o] = x[t] . w[o] + residual[t, o], f32 sums. The weights are the
// left operand, so their rows go into tiles as the checkpoint stores them; the tokens are the columns of the
// right operand, packed once per product. linear.cpp drives this.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace poro::amx {

constexpr int64_t kStep = 32;          // Inputs that one tile instruction multiplies.
constexpr int64_t kTokenGroup = 32;    // Tokens of two tiles, computed together.
constexpr int64_t kPanel = 32;         // Outputs of two tiles, computed together.
constexpr int64_t kChunk = 1024;       // Inputs summed in the tiles before the sums go back to memory.
constexpr int64_t kBlockTokens = 512;  // Tokens for which a panel of weights is packed once.
constexpr int64_t kBlockOutputs =
    256;  // Outputs whose sums stay in the second-level cache through all chunks.

constexpr int64_t padded_inputs(int64_t inputs) {
  return (inputs + kStep - 1) / kStep * kStep;
}
constexpr int64_t token_groups(int64_t tokens) {
  return (tokens + kTokenGroup - 1) / kTokenGroup;
}
constexpr int64_t packed_bytes(int64_t tokens, int64_t inputs) {
  return token_groups(tokens) * kTokenGroup * padded_inputs(inputs) * 2;
}

// For one thread: sums of a block, two packed panels of weights, four tiles of results.
constexpr int64_t kScratchBytes = kBlockOutputs * kBlockTokens * 4 + 2 * kPanel * kChunk * 2 + 4096;

struct PackArgs {
  const float* x;  // (tokens, inputs), at most kBlockTokens tokens
  int64_t tokens, inputs;
  std::byte* packed;  // packed_bytes(tokens, inputs): chunk, token group, step, two tiles
  int64_t first_group, last_group;
};
void pack_tokens(const PackArgs& args);

struct ProductArgs {
  const std::byte* packed;
  const BFloat16* w;      // (outputs, inputs)
  float* y;               // (tokens, outputs)
  const float* residual;  // (tokens, outputs) or none; may be y
  int64_t tokens, inputs, outputs;
  int64_t first, last;  // The outputs to compute; `first` a multiple of kPanel.
  std::byte* scratch;   // kScratchBytes, 64-byte aligned
};
void product(const ProductArgs& args);

// Multiplies tiles that stay in the first-level cache, the loop of product() without its memory; returns the
// operations done.
double bf16_rounds(int64_t rounds);
// The same loop with int8.
double int8_rounds(int64_t rounds);

}  // namespace poro::amx
