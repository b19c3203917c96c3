#include "ops/cross_entropy.h"

namespace poro {
namespace {

// One product of the head for the logits; the backward pass needs two more.
double head_flops(const Tensor& hidden, const Matrix& head) {
  return 2.0 * static_cast<double>(hidden.elements()) * static_cast<double>(head.outputs());
}

}  // namespace

void check(const TargetLogProbs& op) {
  CHECK_SHAPE(op.hidden, {op.hidden.dim(0), op.head.inputs()});
  CHECK_SHAPE(op.targets, {op.hidden.dim(0)});
  CHECK_SHAPE(op.logp, {op.hidden.dim(0)});
  CHECK(op.targets.dtype == DType::kI32, "targets {}", op.targets.str());
  if (op.lse) CHECK(op.lse.dtype == DType::kF64 && op.lse.shape == op.targets.shape, "lse {}", op.lse.str());
}

Cost cost(const TargetLogProbs& op) {
  return {.flops = head_flops(op.hidden, op.head),
          .bytes = static_cast<double>(op.head.bytes() + op.hidden.bytes())};
}

void check(const CrossEntropyBackward& op) {
  check(TargetLogProbs{
      .hidden = op.hidden, .head = op.head, .targets = op.targets, .logp = op.coefficients, .lse = op.lse});
  CHECK(!(op.lse && op.logp), "log-probabilities of a part of the head");
  CHECK_SHAPE(op.dhidden, {op.hidden.dim(0), op.hidden.dim(1)});
  CHECK_SHAPE(op.dhead, {op.head.outputs(), op.head.inputs()});
  CHECK(op.coefficients.dtype == DType::kF64, "coefficients {}", op.coefficients.str());
  if (op.logp) CHECK_SHAPE(op.logp, {op.hidden.dim(0)});
}

Cost cost(const CrossEntropyBackward& op) {
  return {.flops = 3.0 * head_flops(op.hidden, op.head),
          .bytes = static_cast<double>(2 * op.head.bytes() + 2 * op.dhead.bytes() + 2 * op.hidden.bytes())};
}

}  // namespace poro
