// The products behind Linear on the CPU, one per kind of weights and arithmetic; ops/cpu/linear.cpp chooses.
// All of them take any number of tokens, add the residual where there is one, and give the same bits for
// every number of threads.
#pragma once

#include "ops/cpu/amx_kernels.h"
#include "ops/linear.h"

namespace poro {

// Up to here the f32 product takes no longer than reading the weights.
constexpr int64_t kFewTokens = 8;

// int8 and int4 weights.
void linear_quantized(Cpu& cpu, const Linear& op);

// Whether products with these weights and more than a few tokens run on the AMX tiles.
inline bool has_tiles([[maybe_unused]] const Cpu& cpu, [[maybe_unused]] DType weights) {
#if defined(__x86_64__)
  return cpu.isa >= Isa::kAmx && weights == DType::kBF16;
#else
  return false;
#endif
}

// The operands of a product on the AMX tiles, in the shapes that its kind says (ops/cpu/amx_kernels.h).
struct TileOperands {
  Tensor x, w, y, residual;
};
void product_in_tiles(Cpu& cpu, amx::Kind kind, const TileOperands& operands);

}  // namespace poro
