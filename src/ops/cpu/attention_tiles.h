// Attention over packed rows with its operands rounded to bf16, sixteen by sixteen: by the AMX tiles
// (attention_amx.cpp) or by vdpbf16ps (attention_bf16.cpp), from the same layouts. Everything is made ready
// in units of 32 rows: the keys of one head, or the queries of all heads that read it, token by token.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/cpu/gradient_kernels.h"

namespace poro {

constexpr int64_t kAttentionUnit = 32;

constexpr int64_t attention_units(int64_t rows) {
  return (rows + kAttentionUnit - 1) / kAttentionUnit;
}
// A unit in bf16; as sums in f32 it is twice as long.
constexpr int64_t attention_unit_bytes(int64_t head_dim) {
  return kAttentionUnit * head_dim * 2;
}

// One key/value head over all tokens.
struct TiledAttentionArgs {
  const float* q;         // The group's first head of token 0; tokens token_stride apart
  const float *k, *v;     // Token 0 of the head; tokens key_stride apart
  const int32_t* starts;  // Token t sees [starts[t], t]
  float* y;               // As q
  float* lse;             // Of the group's first head of token 0, tokens lse_stride apart; or none
  int64_t tokens, group, head_dim, token_stride, key_stride, lse_stride;
  std::byte *keys, *values;  // attention_units(tokens) of attention_unit_bytes each, filled by pack()
};

constexpr int64_t kTiledKeys = 128;  // Keys whose scores are computed at once, forward.
constexpr int64_t tiled_attention_bytes(int64_t head_dim) {
  return 3 * attention_unit_bytes(head_dim) + kTiledKeys * kAttentionUnit * (4 + 2);
}

constexpr int64_t kTiledGradientKeys = 256;  // Keys whose gradients are summed in the second-level cache.
constexpr int64_t kTiledGradientUnits = 4;   // Units of queries that meet them at once.

struct TiledAttention {
  // Units [first, last) of keys and values.
  void (*pack)(const TiledAttentionArgs& args, int64_t first, int64_t last);
  // One unit of queries; `scratch` of tiled_attention_bytes, 64-byte aligned.
  void (*attend)(const TiledAttentionArgs& args, int64_t unit, std::byte* scratch);
  // `scratch` of args is gradient_bytes(args) long and 64-byte aligned.
  void (*attend_gradient)(const AttentionGradientArgs& args);
  int64_t (*gradient_bytes)(const AttentionGradientArgs& args);
};

}  // namespace poro
