// The way back: the names of llama_forward.cpp in reverse. Gradients of the residual stream are summed in one
// tensor, gradients.x, which every branch adds to.
#include <cmath>

#include "model/llama_activations.h"
#include "ops/attention.h"
#include "ops/cross_entropy.h"
#include "ops/embed.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"

namespace poro {

namespace {

// All rows of the residual stream's gradient.
Tensor whole_gradient(Device& device, const TensorRanks& ranks, const BlockGradients& gradients) {
  if (ranks.is_alone()) return gradients.x;
  device.copy(gradients.x, ranks.part(gradients.x_whole));
  ranks.gather(gradients.x_whole);
  return gradients.x_whole;
}

// The ranks' sum of the gradient after a norm: this rank's rows.
Tensor summed_rows(const TensorRanks& ranks, const Tensor& normed) {
  const Tensor rows = ranks.part(normed);
  if (!ranks.is_alone()) ranks.reduce(normed, {}, rows);
  return rows;
}

}  // namespace

// Each rank has some rows of the head: their logits' log of the sum of exponentials, and the target's logit
// if it is theirs.
std::vector<double> Llama::split_log_probs(const Tensor& targets, std::vector<double>& denominators) {
  Activations& a = *training_;
  std::vector<double> logits(static_cast<size_t>(a.num_tokens)), lse(logits.size());
  run(*device_, TargetLogProbs{.hidden = a.final_normed,
                               .head = weights_.head,
                               .targets = targets,
                               .logp = a.logp,
                               .first_id = a.ranks.rank() * config_.vocab_size,
                               .lse = a.lse});
  device_->copy(a.logp, view(logits));
  device_->copy(a.lse, view(lse));
  return log_probs_of_parts(a.ranks.comm(), logits, lse, denominators);
}

// After the forward pass the ids are not needed on the way to the loss, but the embedding's gradient wants
// them: targets lie apart.
Tensor Llama::on_device(std::span<const int32_t> targets) {
  const std::span<const int32_t> parts[] = {targets};
  return training_->targets.set(parts)[0];
}

std::vector<double> Llama::training_log_probs(std::span<const int32_t> targets) {
  Activations& a = *training_;
  std::vector<double> logp(targets.size()), denominators;
  if (!a.ranks.is_alone()) return split_log_probs(on_device(targets), denominators);
  run(*device_,
      TargetLogProbs{
          .hidden = a.final_normed, .head = weights_.head, .targets = on_device(targets), .logp = a.logp});
  device_->copy(a.logp, view(logp));
  return logp;
}

// The head's part of the way back, into gradients.normed; returns the log-probabilities.
std::vector<double> Llama::backward_head(std::span<const int32_t> targets,
                                         std::span<const double> coefficients, const Tensor& dhead) {
  Activations& a = *training_;
  const bool is_alone = a.ranks.is_alone();
  const Tensor targets_there = on_device(targets);
  std::vector<double> logp(targets.size()), denominators;
  device_->copy(view(coefficients), a.coefficients);
  if (!is_alone) {
    logp = split_log_probs(targets_there, denominators);
    device_->copy(view(denominators), a.lse);
  }
  run(*device_, CrossEntropyBackward{.hidden = a.final_normed,
                                     .head = weights_.head,
                                     .targets = targets_there,
                                     .coefficients = a.coefficients,
                                     .dhidden = a.gradients.normed,
                                     .dhead = dhead,
                                     .logp = is_alone ? a.logp : Tensor{},
                                     .first_id = a.ranks.rank() * config_.vocab_size,
                                     .lse = is_alone ? Tensor{} : a.lse});
  if (is_alone) device_->copy(a.logp, view(logp));
  return logp;
}

// Where ranks have some of the rows each, the gradient of the norm's weights is the sum of theirs.
void Llama::backward_norm(Activations& a, const RmsNormBackward& op) {
  if (a.ranks.is_alone()) return run(*device_, op);
  RmsNormBackward part = op;
  part.dw = a.gradients.norm;
  device_->zero(part.dw);
  run(*device_, part);
  a.ranks.add_sum(part.dw, op.dw);
}

// One block, from the gradient of its output in gradients.x to that of its input in the same place.
void Llama::backward_block(Activations& a, int64_t layer, LlamaGradients::Layer& g) {
  Device& device = *device_;
  const Shape query_heads = {a.num_tokens, config_.num_heads, config_.head_dim};
  const Shape key_heads = {a.num_tokens, config_.num_kv_heads, config_.head_dim};
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const BlockTensors& b = a.block(layer);
  const BlockGradients& d = a.gradients;
  const DType operands = w.operands();

  Tensor dx = whole_gradient(*device_, a.ranks, d);
  run(device, LinearWeightGradient{.dy = dx, .x = b.gated, .dw = g.down, .operands = operands});
  run(device, LinearInputGradient{.dy = dx, .w = w.down, .dx = d.gated, .residual = {}});
  run(device, SwiGluBackward{.gate = b.gate, .up = b.up, .dy = d.gated, .dgate = d.gate, .dup = d.up});
  run(device, LinearWeightGradient{.dy = d.gate, .x = b.ffn_normed, .dw = g.gate, .operands = operands});
  run(device, LinearWeightGradient{.dy = d.up, .x = b.ffn_normed, .dw = g.up, .operands = operands});
  run(device, LinearInputGradient{.dy = d.gate, .w = w.gate, .dx = d.normed, .residual = {}});
  run(device, LinearInputGradient{.dy = d.up, .w = w.up, .dx = d.normed, .residual = d.normed});
  backward_norm(a, {.x = b.middle,
                    .w = w.ffn_norm,
                    .rstd = b.ffn_rstd,
                    .dy = summed_rows(a.ranks, d.normed),
                    .dx = d.x,
                    .dw = g.ffn_norm});

  dx = whole_gradient(*device_, a.ranks, d);
  run(device, LinearWeightGradient{.dy = dx, .x = b.attended, .dw = g.o, .operands = operands});
  run(device, LinearInputGradient{.dy = dx, .w = w.o, .dx = d.attended, .residual = {}});
  run(device, PackedAttentionBackward{.q = b.q.reshaped(query_heads),
                                      .k = b.k.reshaped(key_heads),
                                      .v = b.v.reshaped(key_heads),
                                      .starts = a.starts,
                                      .y = b.attended.reshaped(query_heads),
                                      .lse = b.lse,
                                      .dy = d.attended.reshaped(query_heads),
                                      .dq = d.q.reshaped(query_heads),
                                      .dk = d.k.reshaped(key_heads),
                                      .dv = d.v.reshaped(key_heads),
                                      .pairs = a.pairs,
                                      .operands = operands});
  run(device, Rope{.x = d.k.reshaped(key_heads),
                   .positions = a.positions,
                   .frequencies = a.frequencies,
                   .rotation = Rotation::kBackward});
  run(device, Rope{.x = d.q.reshaped(query_heads),
                   .positions = a.positions,
                   .frequencies = a.frequencies,
                   .rotation = Rotation::kBackward});
  run(device, LinearWeightGradient{.dy = d.v, .x = b.normed, .dw = g.v, .operands = operands});
  run(device, LinearWeightGradient{.dy = d.k, .x = b.normed, .dw = g.k, .operands = operands});
  run(device, LinearWeightGradient{.dy = d.q, .x = b.normed, .dw = g.q, .operands = operands});
  run(device, LinearInputGradient{.dy = d.v, .w = w.v, .dx = d.normed, .residual = {}});
  run(device, LinearInputGradient{.dy = d.k, .w = w.k, .dx = d.normed, .residual = d.normed});
  run(device, LinearInputGradient{.dy = d.q, .w = w.q, .dx = d.normed, .residual = d.normed});
  backward_norm(a, {.x = b.x,
                    .w = w.attention_norm,
                    .rstd = b.attention_rstd,
                    .dy = summed_rows(a.ranks, d.normed),
                    .dx = d.x,
                    .dw = g.attention_norm});
}

std::vector<double> Llama::backward(std::span<const int32_t> targets, std::span<const double> coefficients,
                                    LlamaGradients& gradients) {
  struct Nobody final : WeightUnits {
    void fetch(int64_t) override {}
    void begin_gradients(int64_t) override {}
    void end_gradients(int64_t) override {}
  } nobody;
  WeightUnits& units = units_ != nullptr ? *units_ : nobody;
  Activations& a = *training_;
  const BlockGradients& d = a.gradients;
  const int64_t head = 1 + config_.num_layers;

  units.fetch(head);
  units.begin_gradients(head);
  units.begin_gradients(0);  // A tied head's gradients are the embedding's.
  std::vector<double> logp = backward_head(targets, coefficients, gradients.head);
  device_->zero(d.x);
  backward_norm(a, {.x = a.block(config_.num_layers - 1).out,
                    .w = weights_.final_norm,
                    .rstd = a.final_rstd,
                    .dy = summed_rows(a.ranks, d.normed),
                    .dx = d.x,
                    .dw = gradients.final_norm});
  units.end_gradients(head);
  for (int64_t layer = config_.num_layers - 1; layer >= 0; --layer) {
    units.fetch(1 + layer);
    units.begin_gradients(1 + layer);
    recompute_block(a, layer);
    backward_block(a, layer, gradients.layers[static_cast<size_t>(layer)]);
    units.end_gradients(1 + layer);
  }
  run(*device_, EmbedBackward{.ids = a.ids,
                              .dy = whole_gradient(*device_, a.ranks, d),
                              .dtable = gradients.embedding,
                              .first_id = a.ranks.rank() * config_.vocab_size});
  units.end_gradients(0);
  return logp;
}

}  // namespace poro
