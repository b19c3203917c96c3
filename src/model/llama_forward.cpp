// The forward pass of Llama: the block is one page of ops in the order of the paper, and attention is its
// only line with two forms. Touvron et al., LLaMA, 2023; Grattafiori et al., The Llama 3 Herd of Models,
// 2024.
#include <algorithm>
#include <bit>

#include "model/forward_plan.h"
#include "model/llama_activations.h"
#include "ops/attention.h"
#include "ops/convert.h"
#include "ops/decode.h"
#include "ops/embed.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"

namespace poro {

// One block; `attend(layer, q, k, v, y, lse)` fills y from q, k and v.
template <class Attend>
void Llama::forward_block(Activations& a, int64_t layer, const Attend& attend) {
  Device& device = *a.stage.device;
  const double eps = config_.norm_eps;
  const Shape query_heads = {a.num_tokens, config_.num_heads, config_.head_dim};
  const Shape key_heads = {a.num_tokens, config_.num_kv_heads, config_.head_dim};
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const BlockTensors& b = a.block(layer);
  const Tensor q = b.q.reshaped(query_heads), k = b.k.reshaped(key_heads), v = b.v.reshaped(key_heads);

  run(device, RmsNorm{.x = b.x,
                      .w = w.attention_norm,
                      .y = a.ranks.part(b.normed),
                      .rstd = b.attention_rstd,
                      .eps = eps});
  a.ranks.gather(b.normed);
  const Linears::Part qkv[] = {{w.q, b.q}, {w.k, b.k}, {w.v, b.v}};
  run(device, Linears{.x = b.normed, .parts = qkv});
  run(device, Rope{.x = q, .positions = a.positions, .frequencies = a.frequencies});
  run(device, Rope{.x = k, .positions = a.positions, .frequencies = a.frequencies});
  attend(layer, q, k, v, b.attended.reshaped(query_heads), b.lse);
  project(a, b.attended, w.o, b.x, b.middle);

  run(device,
      RmsNorm{
          .x = b.middle, .w = w.ffn_norm, .y = a.ranks.part(b.ffn_normed), .rstd = b.ffn_rstd, .eps = eps});
  a.ranks.gather(b.ffn_normed);
  const Linears::Part gate_up[] = {{w.gate, b.gate}, {w.up, b.up}};
  run(device, Linears{.x = b.ffn_normed, .parts = gate_up});
  run(device, SwiGlu{.gate = b.gate, .up = b.up, .y = b.gated});
  project(a, b.gated, w.down, b.middle, b.out);
}

// y = residual + x W^T, where ranks may each have some of the inputs.
void Llama::project(Activations& a, const Tensor& x, const Matrix& w, const Tensor& residual,
                    const Tensor& y) {
  Device& device = *a.stage.device;
  if (a.ranks.is_alone()) return run(device, Linear{.x = x, .w = w, .y = y, .residual = residual});
  const Tensor sum = a.exact_sum ? a.exact_sum : a.sum;
  run(device, Linear{.x = x, .w = w, .y = sum, .residual = {}});
  a.ranks.reduce(sum, residual, y);
}

// The residual stream's beginning: from the stage before, or else the embedding.
void Llama::begin_stage(Activations& a) {
  Device& device = *a.stage.device;
  const Tensor x = a.block(0).x, embedded = a.ranks.is_alone() ? x : a.sum;
  if (a.arrived) {
    if (a.arrived.data != x.data) run(device, Convert{.from = a.arrived, .to = x});
    return;
  }
  run(device, Embed{.ids = a.ids,
                    .table = weights_.embedding,
                    .y = embedded,
                    .first_id = a.ranks.rank() * config_.vocab_size});
  if (!a.ranks.is_alone()) a.ranks.reduce(a.sum, {}, x);
}

// The final norm, where the last block is.
void Llama::end_stage(Activations& a) {
  if (a.stage.last < config_.num_layers) return;
  run(*a.stage.device, RmsNorm{.x = a.block(config_.num_layers - 1).out,
                               .w = weights_.final_norm,
                               .y = a.ranks.part(a.final_normed),
                               .rstd = a.final_rstd,
                               .eps = config_.norm_eps});
  a.ranks.gather(a.final_normed);
}

// Takes the ids, or what became of them so far, through the blocks of a stage.
template <class Attend>
void Llama::forward_blocks(Activations& a, const Attend& attend) {
  WeightUnits* units = a.purpose == Purpose::kTraining ? units_ : nullptr;
  if (units != nullptr) units->fetch(0);
  begin_stage(a);
  for (int64_t layer = a.stage.first; layer < a.stage.last; ++layer) {
    if (units != nullptr) units->fetch(1 + layer);
    forward_block(a, layer, attend);
  }
  if (units != nullptr) units->fetch(1 + config_.num_layers);
  end_stage(a);
}

// The same for one token each of a few sequences, in fewer and longer steps: `attend(layer, q, y)`.
template <class Attend>
void Llama::decode_blocks(Activations& a, const KvCache& cache, const Tensor& slots, const Attend& attend) {
  Device& device = *a.stage.device;
  const double eps = config_.norm_eps;
  const Shape heads = {a.num_tokens, config_.num_heads, config_.head_dim};
  begin_stage(a);
  for (int64_t layer = a.stage.first; layer < a.stage.last; ++layer) {
    const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
    const BlockTensors& b = a.block(layer);
    const Tensor q = b.q.reshaped(heads);
    run(device, NormQkv{.x = b.x,
                        .norm = w.attention_norm,
                        .q = w.q,
                        .k = w.k,
                        .v = w.v,
                        .positions = a.positions,
                        .frequencies = a.frequencies,
                        .slots = slots,
                        .queries = q,
                        .keys = cache.keys(layer),
                        .values = cache.values(layer),
                        .eps = eps});
    attend(layer, q, b.attended.reshaped(heads));
    project(a, b.attended, w.o, b.x, b.middle);
    run(device,
        NormGateUp{.x = b.middle, .norm = w.ffn_norm, .gate = w.gate, .up = w.up, .y = b.gated, .eps = eps});
    project(a, b.gated, w.down, b.middle, b.out);
  }
  end_stage(a);
}

auto Llama::packed_attention(const Activations& a) const {
  return [this, &a](int64_t layer, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& y,
                    const Tensor& lse) {
    run(*a.stage.device, PackedAttention{.q = q,
                                         .k = k,
                                         .v = v,
                                         .starts = a.starts,
                                         .y = y,
                                         .lse = lse,
                                         .pairs = a.pairs,
                                         .operands = weights_.layers[static_cast<size_t>(layer)].operands()});
  };
}

void Llama::recompute_block(Activations& a, int64_t layer) {
  const BlockTensors& b = a.block(layer);
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const double eps = config_.norm_eps;
  if (a.recompute == Recompute::kFull) {
    forward_block(a, layer, packed_attention(a));
  } else if (a.recompute == Recompute::kSelective) {
    run(*device_, RmsNorm{.x = b.x,
                          .w = w.attention_norm,
                          .y = a.ranks.part(b.normed),
                          .rstd = b.attention_rstd,
                          .eps = eps});
    run(*device_,
        RmsNorm{
            .x = b.middle, .w = w.ffn_norm, .y = a.ranks.part(b.ffn_normed), .rstd = b.ffn_rstd, .eps = eps});
    a.ranks.gather(b.normed);
    a.ranks.gather(b.ffn_normed);
    run(*device_, SwiGlu{.gate = b.gate, .up = b.up, .y = b.gated});
  }
}

Tensor Llama::forward(std::span<const SequenceTokens> batch, KvCache& cache) {
  const ForwardPlan plan(batch, cache,
                         device_->is_cuda() ? ForwardPlan::Width::kOfCache : ForwardPlan::Width::kOfLongest);
  tell_forward(plan, cache);
  return forward(plan, cache);
}

Tensor Llama::forward(const ForwardPlan& plan, const KvCache& cache) {
  for (size_t stage = 0; stage < stages_.size(); ++stage)
    forward_stage(enter_stage(stage, plan.ids), plan, cache);
  return ending().final_normed;
}

void Llama::forward_stage(Activations& a, const ForwardPlan& tables, const KvCache& cache) {
  Device& device = *a.stage.device;
  const int64_t num_sequences = std::ssize(tables.lengths);
  const std::span<const int32_t> parts[] = {tables.ids,        tables.positions, tables.slots,
                                            tables.row_starts, tables.lengths,   tables.page_table};
  const std::vector<Tensor> there = a.integers.set(parts);
  a.ids = there[0];
  a.positions = there[1];
  const Tensor slots = there[2], row_starts = there[3], lengths = there[4],
               page_table = there[5].reshaped({num_sequences, tables.num_pages});
  // One token each is recorded, for lengths up to the next power of two.
  const bool is_decoding = std::ssize(tables.ids) == num_sequences;
  const int64_t max_length =
      is_decoding ? static_cast<int64_t>(
                        std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(tables.max_length, 512))))
                  : tables.max_length;
  const auto attend = [&](int64_t layer, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& y,
                          const Tensor&) {
    const Tensor &keys = cache.keys(layer), &values = cache.values(layer);
    run(device, CacheWrite{.k = k, .v = v, .slots = slots, .keys = keys, .values = values});
    run(device, CachedAttention{.q = q,
                                .keys = keys,
                                .values = values,
                                .page_table = page_table,
                                .row_starts = row_starts,
                                .lengths = lengths,
                                .y = y,
                                .max_new_tokens = tables.max_new_tokens,
                                .max_length = max_length});
  };
  if (!is_decoding) return forward_blocks(a, attend);
  const bool is_fused = device.is_cuda() && num_sequences <= kDecodeTokens;
  const auto address = [](const void* memory) { return reinterpret_cast<uintptr_t>(memory); };
  Recording& recording =
      recordings_[{address(cache.keys(0).data), address(a.integers.memory()),
                   static_cast<uintptr_t>(num_sequences), static_cast<uintptr_t>(max_length)}];
  recording.run(device, [&] {
    if (!is_fused) return forward_blocks(a, attend);
    decode_blocks(a, cache, slots, [&](int64_t layer, const Tensor& q, const Tensor& y) {
      run(device, CachedAttention{.q = q,
                                  .keys = cache.keys(layer),
                                  .values = cache.values(layer),
                                  .page_table = page_table,
                                  .row_starts = row_starts,
                                  .lengths = lengths,
                                  .y = y,
                                  .max_new_tokens = 1,
                                  .max_length = max_length});
    });
  });
}

Tensor Llama::forward_packed(std::span<const int32_t> ids, std::span<const int32_t> starts) {
  for (size_t stage = 0; stage < stages_.size(); ++stage)
    forward_packed_into(enter_stage(stage, ids), ids, starts);
  return ending().final_normed;
}

Tensor Llama::forward_training(std::span<const int32_t> ids, std::span<const int32_t> starts) {
  Activations& a = prepare(training_, stages_[0], Purpose::kTraining, std::ssize(ids));
  check_ids(ids, a);
  forward_packed_into(a, ids, starts);
  return a.final_normed;
}

void Llama::forward_packed_into(Activations& a, std::span<const int32_t> ids,
                                std::span<const int32_t> starts) {
  CHECK(ids.size() == starts.size(), "{} ids, {} starts", ids.size(), starts.size());
  std::vector<int32_t> positions(ids.size());
  for (size_t t = 0; t < ids.size(); ++t) positions[t] = static_cast<int32_t>(t) - starts[t];
  const std::span<const int32_t> parts[] = {ids, positions, starts};
  const std::vector<Tensor> on_device = a.integers.set(parts);
  a.ids = on_device[0];
  a.positions = on_device[1];
  a.starts = on_device[2];
  a.pairs = 0;
  for (const int32_t position : positions) a.pairs += position + 1;
  forward_blocks(a, packed_attention(a));
}

}  // namespace poro
