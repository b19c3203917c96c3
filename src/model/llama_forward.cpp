// The forward pass of Llama: the block is one page of ops in the order of the paper, and attention is its only line with two
// forms. Touvron et al., LLaMA, 2023; Grattafiori et al., The Llama 3 Herd of Models, 2024.
#include "model/llama_activations.h"
#include "ops/attention.h"
#include "ops/embed.h"
#include "ops/linear.h"
#include "ops/log_probs.h"
#include "ops/norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"

namespace poro {

// One block; `attend(layer, q, k, v, y, lse)` fills y from q, k and v.
template <class Attend>
void Llama::forward_block(Activations& a, int64_t layer, const Attend& attend) {
  Device& device = *device_;
  const double eps = config_.norm_eps;
  const Shape query_heads = {a.num_tokens, config_.num_heads, config_.head_dim};
  const Shape key_heads = {a.num_tokens, config_.num_kv_heads, config_.head_dim};
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const BlockTensors& b = a.block(layer);
  const Tensor q = b.q.reshaped(query_heads), k = b.k.reshaped(key_heads), v = b.v.reshaped(key_heads);

  run(device, RmsNorm{.x = b.x, .w = w.attention_norm, .y = a.ranks.part(b.normed), .rstd = b.attention_rstd, .eps = eps});
  a.ranks.gather(b.normed);
  run(device, Linear{.x = b.normed, .w = w.q, .y = b.q, .residual = {}});
  run(device, Linear{.x = b.normed, .w = w.k, .y = b.k, .residual = {}});
  run(device, Linear{.x = b.normed, .w = w.v, .y = b.v, .residual = {}});
  run(device, Rope{.x = q, .positions = a.positions, .frequencies = a.frequencies});
  run(device, Rope{.x = k, .positions = a.positions, .frequencies = a.frequencies});
  attend(layer, q, k, v, b.attended.reshaped(query_heads), b.lse);
  project(a, b.attended, w.o, b.x, b.middle);

  run(device, RmsNorm{.x = b.middle, .w = w.ffn_norm, .y = a.ranks.part(b.ffn_normed), .rstd = b.ffn_rstd, .eps = eps});
  a.ranks.gather(b.ffn_normed);
  run(device, Linear{.x = b.ffn_normed, .w = w.gate, .y = b.gate, .residual = {}});
  run(device, Linear{.x = b.ffn_normed, .w = w.up, .y = b.up, .residual = {}});
  run(device, SwiGlu{.gate = b.gate, .up = b.up, .y = b.gated});
  project(a, b.gated, w.down, b.middle, b.out);
}

// y = residual + x W^T, where ranks may each have some of the inputs.
void Llama::project(Activations& a, const Tensor& x, const Matrix& w, const Tensor& residual, const Tensor& y) {
  if (a.ranks.is_alone()) return run(*device_, Linear{.x = x, .w = w, .y = y, .residual = residual});
  run(*device_, Linear{.x = x, .w = w, .y = a.sum, .residual = {}});
  a.ranks.reduce(a.sum, residual, y);
}

// Embeds the ids and takes them through every block and the final norm.
template <class Attend>
Tensor Llama::forward_blocks(Activations& a, const Attend& attend) {
  Device& device = *device_;
  WeightUnits* units = a.purpose == Purpose::kTraining ? units_ : nullptr;
  if (units != nullptr) units->fetch(0);
  const Tensor x = a.block(0).x, embedded = a.ranks.is_alone() ? x : a.sum;
  run(device, Embed{.ids = a.ids, .table = weights_.embedding, .y = embedded, .first_id = a.ranks.rank() * config_.vocab_size});
  if (!a.ranks.is_alone()) a.ranks.reduce(a.sum, {}, x);
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    if (units != nullptr) units->fetch(1 + layer);
    forward_block(a, layer, attend);
  }
  if (units != nullptr) units->fetch(1 + config_.num_layers);
  run(device, RmsNorm{.x = a.block(config_.num_layers - 1).out, .w = weights_.final_norm, .y = a.ranks.part(a.final_normed),
                      .rstd = a.final_rstd, .eps = config_.norm_eps});
  a.ranks.gather(a.final_normed);
  return a.final_normed;
}

void Llama::recompute_block(Activations& a, int64_t layer) {
  const BlockTensors& b = a.block(layer);
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const double eps = config_.norm_eps;
  if (a.recompute == Recompute::kFull) {
    forward_block(a, layer, [&](int64_t, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& y, const Tensor& lse) {
      run(*device_, PackedAttention{.q = q, .k = k, .v = v, .starts = a.starts, .y = y, .lse = lse});
    });
  } else if (a.recompute == Recompute::kSelective) {
    run(*device_, RmsNorm{.x = b.x, .w = w.attention_norm, .y = a.ranks.part(b.normed), .rstd = b.attention_rstd, .eps = eps});
    run(*device_, RmsNorm{.x = b.middle, .w = w.ffn_norm, .y = a.ranks.part(b.ffn_normed), .rstd = b.ffn_rstd, .eps = eps});
    a.ranks.gather(b.normed);
    a.ranks.gather(b.ffn_normed);
    run(*device_, SwiGlu{.gate = b.gate, .up = b.up, .y = b.gated});
  }
}

Tensor Llama::forward(std::span<const SequenceTokens> batch, KvCache& cache) {
  std::vector<int32_t> ids, positions, slots, row_starts = {0}, lengths, page_table;
  size_t max_pages = 0;
  for (const SequenceTokens& tokens : batch) {
    const int64_t first = cache.length(tokens.sequence);
    cache.extend(tokens.sequence, static_cast<int64_t>(tokens.ids.size()));
    const std::vector<int32_t>& pages = cache.pages(tokens.sequence);
    for (size_t i = 0; i < tokens.ids.size(); ++i) {
      const int64_t position = first + static_cast<int64_t>(i);
      ids.push_back(tokens.ids[i]);
      positions.push_back(static_cast<int32_t>(position));
      const int64_t page = pages[static_cast<size_t>(position / cache.page_size())];
      slots.push_back(static_cast<int32_t>(page * cache.page_size() + position % cache.page_size()));
    }
    row_starts.push_back(static_cast<int32_t>(ids.size()));
    lengths.push_back(static_cast<int32_t>(cache.length(tokens.sequence)));
    max_pages = std::max(max_pages, pages.size());
  }
  for (const SequenceTokens& tokens : batch) {
    std::vector<int32_t> row = cache.pages(tokens.sequence);
    row.resize(max_pages, 0);
    page_table.insert(page_table.end(), row.begin(), row.end());
  }
  Activations& a = prepare(activations_, Purpose::kGeneration, ids, positions);
  const int64_t num_sequences = static_cast<int64_t>(batch.size());
  const Tensor slots_view = view(slots), starts_view = view(row_starts), lengths_view = view(lengths);
  const Tensor table_view = view(page_table).reshaped({num_sequences, static_cast<int64_t>(max_pages)});
  return forward_blocks(a, [&](int64_t layer, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& y, const Tensor&) {
    const Tensor &keys = cache.keys(layer), &values = cache.values(layer);
    run(*device_, CacheWrite{.k = k, .v = v, .slots = slots_view, .keys = keys, .values = values});
    run(*device_, CachedAttention{.q = q, .keys = keys, .values = values, .page_table = table_view,
                                  .row_starts = starts_view, .lengths = lengths_view, .y = y});
  });
}

Tensor Llama::forward_packed(std::span<const int32_t> ids, std::span<const int32_t> starts) {
  return forward_packed_into(activations_, Purpose::kGeneration, ids, starts);
}

Tensor Llama::forward_training(std::span<const int32_t> ids, std::span<const int32_t> starts) {
  return forward_packed_into(training_, Purpose::kTraining, ids, starts);
}

Tensor Llama::forward_packed_into(std::unique_ptr<Activations>& activations, Purpose purpose, std::span<const int32_t> ids,
                                  std::span<const int32_t> starts) {
  CHECK(ids.size() == starts.size(), "{} ids, {} starts", ids.size(), starts.size());
  std::vector<int32_t> positions(ids.size());
  for (size_t t = 0; t < ids.size(); ++t) positions[t] = static_cast<int32_t>(t) - starts[t];
  Activations& a = prepare(activations, purpose, ids, positions);
  std::memcpy(a.starts.data, starts.data(), starts.size_bytes());
  return forward_blocks(
      a, [&](int64_t, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& y, const Tensor& lse) {
        run(*device_, PackedAttention{.q = q, .k = k, .v = v, .starts = a.starts, .y = y, .lse = lse});
      });
}

Tensor Llama::logits(const Tensor& hidden) {
  const Tensor out = activations_->logits(hidden.dim(0));
  run(*device_, Linear{.x = hidden, .w = weights_.head, .y = out, .residual = {}});
  return out;
}

std::vector<double> Llama::log_probs(const Tensor& hidden, std::span<const int32_t> targets) {
  constexpr int64_t kChunk = 64;
  CHECK(hidden.dim(0) == static_cast<int64_t>(targets.size()), "{} states, {} targets", hidden.dim(0), targets.size());
  Arena arena("log-probabilities");
  const Tensor logp = arena.tensor(device_->activation_dtype(), {hidden.dim(0)});
  for (int64_t first = 0; first < hidden.dim(0); first += kChunk) {
    const int64_t count = std::min(kChunk, hidden.dim(0) - first);
    run(*device_, LogProbs{.logits = logits(hidden.rows(first, count)),
                           .targets = view(targets.subspan(static_cast<size_t>(first), static_cast<size_t>(count))),
                           .logp = logp.rows(first, count)});
  }
  std::vector<double> result;
  for (int64_t t = 0; t < hidden.dim(0); ++t) result.push_back(load_element(logp, t));
  return result;
}

}  // namespace poro
