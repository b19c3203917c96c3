// The inner loops of training, beside those of kernels.h: written once (row_gradients.h,
// attention_gradients.h), compiled once per instruction set by gradients_<level>.cpp.
#pragma once

#include <cstdint>

#include "base/cpu_isa.h"

namespace poro {

// row[v] = coefficient * exp(row[v] - shift): logits to their gradient, but for the target's share.
struct SoftmaxGradientArgs {
  float* row;
  int64_t count;
  float coefficient, shift;
};

struct SwiGluGradientArgs {
  const float *gate, *up, *dy;
  float *dgate, *dup;
  int64_t count;
};

// Of one row; dw is added to.
struct NormGradientArgs {
  const float *x, *w, *dy;  // (C)
  float rstd;
  float* dx;  // (C), added to
  float* dw;  // (C), added to
  int64_t width;
};

struct AdamWArgs {
  float *weights, *first, *second;
  const float* gradient;
  int64_t count;
  float scale, eps, beta1, rest1, beta2, rest2, decay, rate, root_scale;
};

// All query heads of one key/value head over all tokens.
struct AttentionGradientArgs {
  const float *q, *dy;       // The group's first head of token 0; tokens token_stride apart
  const float *k, *v;        // Token 0 of the head; tokens key_stride apart
  float* dq;                 // As q; zeros before
  float *dk, *dv;            // As k
  const float *lse, *delta;  // Of the group's first head of token 0, tokens lse_stride apart
  const int32_t* starts;     // Token t sees [starts[t], t]
  int64_t tokens, group, head_dim, token_stride, key_stride, lse_stride;
  float* scratch;  // attention_gradient_floats
};

constexpr int64_t kGradientBlock = 64;  // Keys, and rows of queries, that meet at once.
constexpr int64_t attention_gradient_floats(int64_t head_dim) {
  const int64_t width = (head_dim + 15) / 16 * 16;
  return kGradientBlock * (9 * width + 4 * kGradientBlock + 3);
}

struct GradientKernels {
  void (*softmax)(const SoftmaxGradientArgs& args);
  void (*swiglu)(const SwiGluGradientArgs& args);
  void (*norm)(const NormGradientArgs& args);
  void (*adamw)(const AdamWArgs& args);
  void (*attend)(const AttentionGradientArgs& args);
};

// The kernels of the highest level that `isa` includes.
const GradientKernels& gradient_kernels(Isa isa);

}  // namespace poro
