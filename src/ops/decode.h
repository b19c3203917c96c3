// What a block does to one new token each of a few sequences, in fewer and longer steps: such a product takes
// microseconds, and every step between products costs as much as a small product. Each op here is the
// composition of others, which the reference and the CPU run as such; a GPU reads each weight once and
// nothing else twice.
#pragma once

#include "ops/matrix.h"
#include "ops/op.h"

namespace poro {

constexpr int64_t kDecodeTokens = 64;  // At most.

// RmsNorm, the products for queries, keys and values, Rope of queries and keys, and CacheWrite of keys and
// values.
struct NormQkv {
  Tensor x, norm;       // (T, C), (C)
  Matrix q, k, v;       // (H*D, C), (K*D, C), (K*D, C)
  Tensor positions;     // (T) i32
  Tensor frequencies;   // (D/2) f64, as Rope's
  Tensor slots;         // (T) i32, as CacheWrite's
  Tensor queries;       // (T, H, D): written, rotated
  Tensor keys, values;  // (P, K, S, D): written at the slots
  double eps = 1e-5;
};
PORO_OP(NormQkv);

// RmsNorm, the products for gate and up, and SwiGlu.
struct NormGateUp {
  Tensor x, norm;   // (T, C), (C)
  Matrix gate, up;  // (F, C)
  Tensor y;         // (T, F)
  double eps = 1e-5;
};
PORO_OP(NormGateUp);

}  // namespace poro
