#include "ops/decode.h"

#include "ops/attention.h"

namespace poro {
namespace {

void check_tokens(const Tensor& x, const Tensor& norm, const Matrix& w) {
  CHECK(x.shape.rank() == 2 && x.dim(0) >= 1 && x.dim(0) <= kDecodeTokens, "x is {}", x.str());
  CHECK_SHAPE(norm, {x.dim(1)});
  CHECK(w.inputs() == x.dim(1), "{} inputs for x {}", w.inputs(), x.str());
}

double product_flops(const Tensor& x, const Matrix& w) {
  return 2.0 * static_cast<double>(x.elements()) * static_cast<double>(w.outputs());
}

}  // namespace

void check(const NormQkv& op) {
  for (const Matrix* w : {&op.q, &op.k, &op.v}) check_tokens(op.x, op.norm, *w);
  CHECK(op.queries.shape.rank() == 3 && op.keys.shape.rank() == 4, "queries {}, keys {}", op.queries.str(),
        op.keys.str());
  const int64_t tokens = op.x.dim(0), head_dim = op.queries.dim(2), kv_heads = op.keys.dim(1);
  CHECK_SHAPE(op.queries, {tokens, op.queries.dim(1), head_dim});
  CHECK_SHAPE(op.keys, {op.keys.dim(0), kv_heads, op.keys.dim(2), head_dim});
  CHECK(op.values.shape == op.keys.shape && op.values.dtype == op.keys.dtype, "keys {}, values {}",
        op.keys.str(), op.values.str());
  CHECK(op.q.outputs() == op.queries.dim(1) * head_dim, "{} outputs for queries {}", op.q.outputs(),
        op.queries.str());
  CHECK(op.k.outputs() == kv_heads * head_dim && op.v.outputs() == kv_heads * head_dim,
        "{} and {} outputs for keys {}", op.k.outputs(), op.v.outputs(), op.keys.str());
  CHECK(head_dim % 2 == 0, "heads of {}", head_dim);
  CHECK_SHAPE(op.positions, {tokens});
  CHECK_SHAPE(op.slots, {tokens});
  CHECK_SHAPE(op.frequencies, {head_dim / 2});
  CHECK(op.positions.dtype == DType::kI32 && op.slots.dtype == DType::kI32 &&
            op.frequencies.dtype == DType::kF64,
        "positions {}, slots {}, frequencies {}", op.positions.str(), op.slots.str(), op.frequencies.str());
}

Cost cost(const NormQkv& op) {
  const double cached =
      2.0 * static_cast<double>(op.x.dim(0) * op.k.outputs() * dtype_bits(op.keys.dtype)) / 8;
  return {.flops = product_flops(op.x, op.q) + product_flops(op.x, op.k) + product_flops(op.x, op.v),
          .bytes = static_cast<double>(op.q.bytes() + op.k.bytes() + op.v.bytes() + op.x.bytes() +
                                       op.norm.bytes() + op.queries.bytes()) +
                   cached};
}

void check(const NormGateUp& op) {
  for (const Matrix* w : {&op.gate, &op.up}) check_tokens(op.x, op.norm, *w);
  CHECK_SHAPE(op.y, {op.x.dim(0), op.gate.outputs()});
  CHECK(op.up.outputs() == op.gate.outputs(), "{} outputs of up, {} of gate", op.up.outputs(),
        op.gate.outputs());
}

Cost cost(const NormGateUp& op) {
  return {.flops = product_flops(op.x, op.gate) + product_flops(op.x, op.up),
          .bytes = static_cast<double>(op.gate.bytes() + op.up.bytes() + op.x.bytes() + op.norm.bytes() +
                                       op.y.bytes())};
}

}  // namespace poro
