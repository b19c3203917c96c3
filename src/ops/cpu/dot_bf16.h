// Dot products of bf16 weights with tokens rounded to bf16, by the AVX-512 instruction made for it.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace poro::bf16 {

// Rows of rounded tokens are this long, zeros at the end.
constexpr int64_t padded_inputs(int64_t inputs) {
  return (inputs + 31) / 32 * 32;
}

struct RoundArgs {
  const float* x;  // (tokens, inputs)
  BFloat16* rounded;
  int64_t inputs;
  int64_t first, last;  // Tokens
};
void round_rows(const RoundArgs& args);

struct DotArgs {
  const BFloat16* x;      // (tokens, padded_inputs)
  const BFloat16* w;      // (outputs, inputs)
  float* y;               // (tokens, outputs)
  const float* residual;  // (tokens, outputs) or none; may be y
  int64_t tokens, inputs, outputs;
  int64_t first, last;  // Outputs to compute.
};
void dot(const DotArgs& args);

// The instruction alone, in registers; returns the operations done.
double rounds(int64_t count);

}  // namespace poro::bf16
