// The way back: the names of llama_forward.cpp in reverse. Gradients of the residual stream are summed in one tensor, dx,
// which every branch adds to.
#include "model/llama_activations.h"
#include "ops/attention.h"
#include "ops/cross_entropy.h"
#include "ops/embed.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"

namespace poro {

std::vector<double> Llama::training_log_probs(std::span<const int32_t> targets) {
  std::vector<double> logp(targets.size());
  const Tensor out{.data = reinterpret_cast<std::byte*>(logp.data()), .dtype = DType::kF64,
                   .shape = {static_cast<int64_t>(logp.size())}};
  run(*device_, TargetLogProbs{.hidden = training_->final_normed, .head = weights_.head, .targets = view(targets), .logp = out});
  return logp;
}

void Llama::backward(std::span<const int32_t> targets, std::span<const double> coefficients, LlamaGradients& gradients) {
  Device& device = *device_;
  Activations& a = *training_;
  const DType dtype = device.activation_dtype();
  const Shape query_heads = {a.num_tokens, config_.num_heads, config_.head_dim};
  const Shape key_heads = {a.num_tokens, config_.num_kv_heads, config_.head_dim};
  Arena arena("gradients of activations");
  const auto like = [&](const Tensor& tensor) { return arena.tensor(dtype, tensor.shape); };
  const Tensor coefficients_view{.data = reinterpret_cast<std::byte*>(const_cast<double*>(coefficients.data())),
                                 .dtype = DType::kF64, .shape = {a.num_tokens}};
  const BlockTensors& any = a.block(0);
  const Tensor dx = like(any.x), dnormed = like(any.x), dgated = like(any.gated), dgate = like(any.gate), dup = like(any.up);
  const Tensor dattended = like(any.attended), dq = like(any.q), dk = like(any.k), dv = like(any.v);

  run(device, CrossEntropyBackward{.hidden = a.final_normed, .head = weights_.head, .targets = view(targets),
                                   .coefficients = coefficients_view, .dhidden = dnormed, .dhead = gradients.head, .logp = {}});
  run(device, RmsNormBackward{.x = a.block(config_.num_layers - 1).out, .w = weights_.final_norm, .rstd = a.final_rstd,
                              .dy = dnormed, .dx = dx, .dw = gradients.final_norm});
  for (int64_t layer = config_.num_layers - 1; layer >= 0; --layer) {
    const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
    const BlockTensors& b = a.block(layer);
    LlamaGradients::Layer& g = gradients.layers[static_cast<size_t>(layer)];

    run(device, LinearWeightGradient{.dy = dx, .x = b.gated, .dw = g.down});
    run(device, LinearInputGradient{.dy = dx, .w = w.down, .dx = dgated, .residual = {}});
    run(device, SwiGluBackward{.gate = b.gate, .up = b.up, .dy = dgated, .dgate = dgate, .dup = dup});
    run(device, LinearWeightGradient{.dy = dgate, .x = b.ffn_normed, .dw = g.gate});
    run(device, LinearWeightGradient{.dy = dup, .x = b.ffn_normed, .dw = g.up});
    run(device, LinearInputGradient{.dy = dgate, .w = w.gate, .dx = dnormed, .residual = {}});
    run(device, LinearInputGradient{.dy = dup, .w = w.up, .dx = dnormed, .residual = dnormed});
    run(device, RmsNormBackward{.x = b.middle, .w = w.ffn_norm, .rstd = b.ffn_rstd, .dy = dnormed, .dx = dx, .dw = g.ffn_norm});

    run(device, LinearWeightGradient{.dy = dx, .x = b.attended, .dw = g.o});
    run(device, LinearInputGradient{.dy = dx, .w = w.o, .dx = dattended, .residual = {}});
    run(device, PackedAttentionBackward{.q = b.q.reshaped(query_heads), .k = b.k.reshaped(key_heads),
                                        .v = b.v.reshaped(key_heads), .starts = a.starts, .y = b.attended.reshaped(query_heads),
                                        .lse = b.lse, .dy = dattended.reshaped(query_heads), .dq = dq.reshaped(query_heads),
                                        .dk = dk.reshaped(key_heads), .dv = dv.reshaped(key_heads)});
    run(device, Rope{.x = dk.reshaped(key_heads), .positions = a.positions, .frequencies = a.frequencies,
                     .rotation = Rotation::kBackward});
    run(device, Rope{.x = dq.reshaped(query_heads), .positions = a.positions, .frequencies = a.frequencies,
                     .rotation = Rotation::kBackward});
    run(device, LinearWeightGradient{.dy = dv, .x = b.normed, .dw = g.v});
    run(device, LinearWeightGradient{.dy = dk, .x = b.normed, .dw = g.k});
    run(device, LinearWeightGradient{.dy = dq, .x = b.normed, .dw = g.q});
    run(device, LinearInputGradient{.dy = dv, .w = w.v, .dx = dnormed, .residual = {}});
    run(device, LinearInputGradient{.dy = dk, .w = w.k, .dx = dnormed, .residual = dnormed});
    run(device, LinearInputGradient{.dy = dq, .w = w.q, .dx = dnormed, .residual = dnormed});
    run(device, RmsNormBackward{.x = b.x, .w = w.attention_norm, .rstd = b.attention_rstd, .dy = dnormed, .dx = dx,
                                .dw = g.attention_norm});
  }
  run(device, EmbedBackward{.ids = a.ids, .dy = dx, .dtable = gradients.embedding});
}

}  // namespace poro
