// The inner loops of the CPU backend: written once (row_kernels.h, dot_kernels.h, attention_kernels.h), compiled once per
// instruction set. The arguments are plain pointers and sizes, because kernels share no inline function with the rest (simd.h).
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

// Rows of weights widened to floats while all tokens pass by.
constexpr int64_t kDotScratchFloats = 8 * 2048;

struct Kernels {
  void (*convert)(const ConvertArgs& args);
  void (*norm)(const NormArgs& args);
  void (*rope)(const RopeArgs& args);
  void (*swiglu)(const SwiGluArgs& args);
  double (*log_sum_exp)(const LogSumExpArgs& args);
  void (*dot)(const DotArgs& args);
  // Multiplies and adds in registers alone; returns the operations done.
  double (*fma_rounds)(int64_t rounds);
};

// The kernels of the highest level that `isa` includes.
const Kernels& kernels(Isa isa);

}  // namespace poro
