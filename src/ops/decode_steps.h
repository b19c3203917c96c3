// The ops of ops/decode.h as the ops they replace, for every backend that has those.
#pragma once

#include "ops/attention.h"
#include "ops/decode.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"

namespace poro {

// Bytes that run_in_steps needs for what passes between the steps, in activations of type `dtype`.
inline size_t step_bytes(const NormQkv& op, DType dtype) {
  return static_cast<size_t>(op.x.dim(0) * (op.x.dim(1) + op.k.outputs() + op.v.outputs()) *
                             dtype_bits(dtype)) /
             8 +
         3 * 64;
}
inline size_t step_bytes(const NormGateUp& op, DType dtype) {
  return static_cast<size_t>(op.x.dim(0) * (op.x.dim(1) + 2 * op.gate.outputs()) * dtype_bits(dtype)) / 8 +
         3 * 64;
}

// Tensors like `like` in type and place, one after the other, each aligned to 64 bytes.
class StepMemory {
 public:
  StepMemory(std::byte* memory, const Tensor& like) : next_(memory), like_(like) {}
  Tensor tensor(Shape shape) {
    const Tensor result{.data = next_, .dtype = like_.dtype, .shape = shape, .place = like_.place};
    next_ += (result.bytes() + 63) / 64 * 64;
    return result;
  }

 private:
  std::byte* next_;
  Tensor like_;
};

template <class Backend>
void run_in_steps(Backend& backend, const NormQkv& op, std::byte* memory) {
  StepMemory steps(memory, op.x);
  const int64_t tokens = op.x.dim(0), kv_heads = op.keys.dim(1), head_dim = op.keys.dim(3);
  const Tensor normed = steps.tensor(op.x.shape), k = steps.tensor({tokens, op.k.outputs()}),
               v = steps.tensor({tokens, op.v.outputs()});
  const Tensor key_heads = k.reshaped({tokens, kv_heads, head_dim}),
               value_heads = v.reshaped({tokens, kv_heads, head_dim});
  run(backend, RmsNorm{.x = op.x, .w = op.norm, .y = normed, .rstd = {}, .eps = op.eps});
  const Linears::Part parts[] = {{op.q, op.queries.reshaped({tokens, op.q.outputs()})}, {op.k, k}, {op.v, v}};
  run(backend, Linears{.x = normed, .parts = parts});
  run(backend, Rope{.x = op.queries, .positions = op.positions, .frequencies = op.frequencies});
  run(backend, Rope{.x = key_heads, .positions = op.positions, .frequencies = op.frequencies});
  run(backend,
      CacheWrite{.k = key_heads, .v = value_heads, .slots = op.slots, .keys = op.keys, .values = op.values});
}

template <class Backend>
void run_in_steps(Backend& backend, const NormGateUp& op, std::byte* memory) {
  StepMemory steps(memory, op.x);
  const Tensor normed = steps.tensor(op.x.shape), gate = steps.tensor(op.y.shape),
               up = steps.tensor(op.y.shape);
  run(backend, RmsNorm{.x = op.x, .w = op.norm, .y = normed, .rstd = {}, .eps = op.eps});
  const Linears::Part parts[] = {{op.gate, gate}, {op.up, up}};
  run(backend, Linears{.x = normed, .parts = parts});
  run(backend, SwiGlu{.gate = gate, .up = up, .y = op.y});
}

}  // namespace poro
