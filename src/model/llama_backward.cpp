// The way back: the names of llama_forward.cpp in reverse. Gradients of the residual stream are summed in one tensor,
// gradients.x, which every branch adds to.
#include <cstring>

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

// One block, from the gradient of its output in gradients.x to that of its input in the same place.
void Llama::backward_block(Activations& a, int64_t layer, LlamaGradients::Layer& g) {
  Device& device = *device_;
  const Shape query_heads = {a.num_tokens, config_.num_heads, config_.head_dim};
  const Shape key_heads = {a.num_tokens, config_.num_kv_heads, config_.head_dim};
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const BlockTensors& b = a.block(layer);
  const BlockGradients& d = a.gradients;

  run(device, LinearWeightGradient{.dy = d.x, .x = b.gated, .dw = g.down});
  run(device, LinearInputGradient{.dy = d.x, .w = w.down, .dx = d.gated, .residual = {}});
  run(device, SwiGluBackward{.gate = b.gate, .up = b.up, .dy = d.gated, .dgate = d.gate, .dup = d.up});
  run(device, LinearWeightGradient{.dy = d.gate, .x = b.ffn_normed, .dw = g.gate});
  run(device, LinearWeightGradient{.dy = d.up, .x = b.ffn_normed, .dw = g.up});
  run(device, LinearInputGradient{.dy = d.gate, .w = w.gate, .dx = d.normed, .residual = {}});
  run(device, LinearInputGradient{.dy = d.up, .w = w.up, .dx = d.normed, .residual = d.normed});
  run(device, RmsNormBackward{.x = b.middle, .w = w.ffn_norm, .rstd = b.ffn_rstd, .dy = d.normed, .dx = d.x, .dw = g.ffn_norm});

  run(device, LinearWeightGradient{.dy = d.x, .x = b.attended, .dw = g.o});
  run(device, LinearInputGradient{.dy = d.x, .w = w.o, .dx = d.attended, .residual = {}});
  run(device, PackedAttentionBackward{.q = b.q.reshaped(query_heads), .k = b.k.reshaped(key_heads),
                                      .v = b.v.reshaped(key_heads), .starts = a.starts, .y = b.attended.reshaped(query_heads),
                                      .lse = b.lse, .dy = d.attended.reshaped(query_heads), .dq = d.q.reshaped(query_heads),
                                      .dk = d.k.reshaped(key_heads), .dv = d.v.reshaped(key_heads)});
  run(device, Rope{.x = d.k.reshaped(key_heads), .positions = a.positions, .frequencies = a.frequencies,
                   .rotation = Rotation::kBackward});
  run(device, Rope{.x = d.q.reshaped(query_heads), .positions = a.positions, .frequencies = a.frequencies,
                   .rotation = Rotation::kBackward});
  run(device, LinearWeightGradient{.dy = d.v, .x = b.normed, .dw = g.v});
  run(device, LinearWeightGradient{.dy = d.k, .x = b.normed, .dw = g.k});
  run(device, LinearWeightGradient{.dy = d.q, .x = b.normed, .dw = g.q});
  run(device, LinearInputGradient{.dy = d.v, .w = w.v, .dx = d.normed, .residual = {}});
  run(device, LinearInputGradient{.dy = d.k, .w = w.k, .dx = d.normed, .residual = d.normed});
  run(device, LinearInputGradient{.dy = d.q, .w = w.q, .dx = d.normed, .residual = d.normed});
  run(device, RmsNormBackward{.x = b.x, .w = w.attention_norm, .rstd = b.attention_rstd, .dy = d.normed, .dx = d.x,
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
  Device& device = *device_;
  Activations& a = *training_;
  const BlockGradients& d = a.gradients;
  const int64_t head = 1 + config_.num_layers;
  const Tensor coefficients_view{.data = reinterpret_cast<std::byte*>(const_cast<double*>(coefficients.data())),
                                 .dtype = DType::kF64, .shape = {a.num_tokens}};
  std::vector<double> logp(targets.size());
  const Tensor logp_view{.data = reinterpret_cast<std::byte*>(logp.data()), .dtype = DType::kF64, .shape = {a.num_tokens}};

  units.fetch(head);
  units.begin_gradients(head);
  units.begin_gradients(0);  // A tied head's gradients are the embedding's.
  run(device, CrossEntropyBackward{.hidden = a.final_normed, .head = weights_.head, .targets = view(targets),
                                   .coefficients = coefficients_view, .dhidden = d.normed, .dhead = gradients.head,
                                   .logp = logp_view});
  std::memset(d.x.data, 0, d.x.bytes());
  run(device, RmsNormBackward{.x = a.block(config_.num_layers - 1).out, .w = weights_.final_norm, .rstd = a.final_rstd,
                              .dy = d.normed, .dx = d.x, .dw = gradients.final_norm});
  units.end_gradients(head);
  for (int64_t layer = config_.num_layers - 1; layer >= 0; --layer) {
    units.fetch(1 + layer);
    units.begin_gradients(1 + layer);
    recompute_block(a, layer);
    backward_block(a, layer, gradients.layers[static_cast<size_t>(layer)]);
    units.end_gradients(1 + layer);
  }
  run(device, EmbedBackward{.ids = a.ids, .dy = d.x, .dtable = gradients.embedding});
  units.end_gradients(0);
  return logp;
}

}  // namespace poro
