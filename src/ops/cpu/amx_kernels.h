// Products of bf16 on the AMX tiles, f32 sums: y (T, O) = x (T, K) w (K, O) + residual, each operand as it
// lies in memory. One of them, the tokens, is packed into tiles once per product; the other, the weights,
// panel by panel while the panel before is multiplied. linear.cpp and linear_gradients.cpp drive this.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace poro::amx {

// What lies how. Only the forward product has sums that lie on their side in the tiles, because weights there
// are the left operand: rows become rows of tiles as they are.
enum class Kind {
  kForward,         // x (T, K) f32, w (O, K) bf16
  kInputGradient,   // x (T, K) f32, w (K, O) bf16
  kWeightGradient,  // x (K, T) f32, w (K, O) f32
};

constexpr int64_t kStep = 32;          // Of K, that one tile instruction multiplies.
constexpr int64_t kTokenGroup = 16;    // Tokens of a tile.
constexpr int64_t kPanel = 32;         // Outputs of two tiles, computed together.
constexpr int64_t kChunk = 512;        // Of K, summed in the tiles before the sums go back to memory.
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

// For one thread: sums of a block, two packed panels of weights, two tiles of results.
constexpr int64_t kScratchBytes = kBlockOutputs * kBlockTokens * 4 + 2 * kPanel * kChunk * 2 + 2048;

struct PackArgs {
  const float* x;          // The first token's first element
  int64_t stride;          // Elements from row to row of x
  int64_t tokens, inputs;  // At most kBlockTokens tokens; K
  std::byte* packed;       // packed_bytes(tokens, inputs): chunk, token group, step: a tile
  int64_t first_group, last_group;
};
void pack_tokens(Kind kind, const PackArgs& args);

struct ProductArgs {
  const std::byte* packed;
  const void* w;
  float* y;               // (tokens, outputs)
  const float* residual;  // (tokens, outputs) or none; may be y
  int64_t tokens, inputs, outputs;
  int64_t first, last;  // The outputs to compute; `first` a multiple of kPanel.
  std::byte* scratch;   // kScratchBytes, 64-byte aligned
};
void product(Kind kind, const ProductArgs& args);

// Multiplies tiles that stay in the first-level cache, the loop of product() without its memory; returns the
// operations done.
double bf16_rounds(int64_t rounds);
// The same loop with int8.
double int8_rounds(int64_t rounds);

}  // namespace poro::amx
