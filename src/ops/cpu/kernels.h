// The inner loops of the CPU backend: written once (row_kernels.h, dot_kernels.h, attention_kernels.h),
// compiled once per instruction set. The arguments are plain pointers and sizes, because kernels share no
// inline function with the rest (simd.h).
#pragma once

#include <cstdint>

#include "base/cpu_isa.h"
#include "base/dtype.h"

namespace poro {

// Elements [0, count) of one type as another; one of the two is f32, the other f32, f16 or bf16.
struct ConvertArgs {
  const void* from;
  DType from_dtype;
  void* to;
  DType to_dtype;
  int64_t count;
};

struct NormArgs {
  const float* x;  // (T, C)
  const void* w;   // (C)
  DType w_dtype;
  float* y;     // (T, C)
  float* rstd;  // (T) or none
  int64_t tokens, width;
  double eps;
};

struct RopeArgs {
  float* x;  // (T, H, D)
  const int32_t* positions;
  const double* frequencies;
  int64_t tokens, heads, head_dim;
  float sine_sign;  // -1 turns backwards
};

struct SwiGluArgs {
  const float *gate, *up;
  float* y;
  int64_t count;
};

// One row of logits.
struct LogSumExpArgs {
  const float* logits;
  int64_t count;
};

// y[t, o] = residual[t, o] + x[t] . w[o] for all tokens and the outputs [first, last).
struct DotArgs {
  const float* x;  // (T, I)
  const void* w;   // (O, I)
  DType w_dtype;
  float* y;               // (T, O)
  const float* residual;  // (T, O) or none; may be y
  int64_t tokens, inputs, outputs;
  int64_t first, last;
  float* scratch;  // kDotScratchFloats, for this thread alone
};

// Queries of some neighbouring tokens, all heads of one key/value head, against the keys and values of one
// sequence.
struct AttentionArgs {
  const float* q;        // (tokens, group, D), tokens token_stride apart, scaled by nobody
  int64_t token_stride;  // Elements, in y too.
  int64_t tokens, group, head_dim;
  int64_t first_position;  // Token t sees the positions [0, first_position + t].
  const void *keys,
      *values;  // Position s is at pages[s / page_size] * page_stride + s % page_size * position_stride.
  DType dtype;
  const int32_t* pages;
  int64_t page_size, page_stride, position_stride;  // Strides in elements.
  float* scratch;                                   // attention_scratch_floats
  float* y;
  float* lse;          // Of the first token's first head, or none.
  int64_t lse_stride;  // Between tokens.
};

// The softmax over some of the positions, unfinished: each row's sums, weighted by exp(score - highest
// score).
struct AttentionPart {
  float* sums;     // (rows, padded_head_dim); row = token * group + head in the group
  float* highest;  // (rows)
  float* weight;   // (rows): the sum of the weights
};

// Positions are taken in chunks; a part is made for each, and the parts are merged in order. One chunk after
// the other or all at once on many threads makes no difference to the bits.
constexpr int64_t kAttentionChunk = 512;
constexpr int64_t kAttentionBlock = 64;  // Positions whose scores are computed at once.
constexpr int64_t kAttentionRows =
    128;  // Rows for which a block of keys is unpacked once, unless a group is larger.

constexpr int64_t padded_head_dim(int64_t head_dim) {
  return (head_dim + 15) / 16 * 16;
}
constexpr int64_t attention_part_floats(int64_t rows, int64_t head_dim) {
  return rows * (padded_head_dim(head_dim) + 2);
}
// Queries, scores, factors; keys and values of a block.
constexpr int64_t attention_scratch_floats(int64_t rows, int64_t head_dim) {
  return rows * (padded_head_dim(head_dim) + kAttentionBlock + 1) +
         2 * kAttentionBlock * padded_head_dim(head_dim);
}

// Rows of weights widened to floats while all tokens pass by.
constexpr int64_t kDotScratchFloats = 8 * 2048;

struct Kernels {
  void (*convert)(const ConvertArgs& args);
  void (*norm)(const NormArgs& args);
  void (*rope)(const RopeArgs& args);
  void (*swiglu)(const SwiGluArgs& args);
  double (*log_sum_exp)(const LogSumExpArgs& args);
  void (*dot)(const DotArgs& args);
  void (*attend)(const AttentionArgs& args, int64_t chunk, const AttentionPart& part);
  void (*merge)(const AttentionArgs& args, const AttentionPart& all, const AttentionPart& next);
  void (*finish)(const AttentionArgs& args, const AttentionPart& all);
  // Multiplies and adds in registers alone; returns the operations done.
  double (*fma_rounds)(int64_t rounds);
};

// The kernels of the highest level that `isa` includes.
const Kernels& kernels(Isa isa);

}  // namespace poro
