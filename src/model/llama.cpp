#include "model/llama.h"

#include <cstring>

#include "model/llama_activations.h"
#include "ops/decode.h"

namespace poro {

BlockTensors BlockTensors::rows(int64_t count, int parts) const {
  BlockTensors result = *this;
  for (Tensor* tensor : {&result.normed, &result.q, &result.k, &result.v, &result.attended, &result.lse,
                         &result.ffn_normed, &result.gate, &result.up, &result.gated})
    if (*tensor) *tensor = tensor->rows(0, count);
  for (Tensor* tensor : {&result.x, &result.attention_rstd, &result.middle, &result.ffn_rstd, &result.out})
    if (*tensor) *tensor = tensor->rows(0, count / parts);
  return result;
}

BlockGradients BlockGradients::rows(int64_t count, int parts) const {
  BlockGradients result = *this;
  result.x = result.x.rows(0, count / parts);
  for (Tensor* tensor : {&result.x_whole, &result.normed, &result.q, &result.k, &result.v, &result.attended,
                         &result.gate, &result.up, &result.gated})
    *tensor = tensor->rows(0, count);
  return result;
}

std::vector<Tensor> DeviceIntegers::set(std::span<const std::span<const int32_t>> parts) {
  constexpr size_t kGrain = 16;  // Parts start on a cache line.
  host_.clear();
  std::vector<size_t> places;
  for (const std::span<const int32_t> part : parts) {
    places.push_back(host_.size());
    host_.insert(host_.end(), part.begin(), part.end());
    host_.resize((host_.size() + kGrain - 1) / kGrain * kGrain);
  }
  const Tensor filled = view(host_);
  Tensor on_device = filled;
  if (device_->is_cuda()) {
    if (!whole_ || whole_.elements() < filled.elements()) {
      arena_ = std::make_unique<Arena>("integers", *device_);
      whole_ = arena_->tensor(DType::kI32, {2 * filled.elements()});
    }
    on_device = whole_.rows(0, filled.elements());
    device_->copy(filled, on_device);
  }
  std::vector<Tensor> views;
  for (size_t i = 0; i < places.size(); ++i)
    views.push_back(on_device.rows(static_cast<int64_t>(places[i]), static_cast<int64_t>(parts[i].size())));
  return views;
}

Llama::Activations::Activations(const Stage& stage_, const LlamaConfig& config, int64_t max_tokens_,
                                Purpose purpose_, Recompute recompute_, const TensorRanks& ranks_)
    : stage(stage_),
      purpose(purpose_),
      recompute(recompute_),
      ranks(ranks_),
      max_tokens(max_tokens_),
      integers(*stage.device),
      targets(*stage.device),
      is_on_host_(stage.device->place() == Place::kHost),
      arena_("activations", *stage.device),
      logits_(stage.device, stage.device->exact_dtype(), config.vocab_size),
      whole_logits_(stage.device, stage.device->exact_dtype(), config.vocab_size * ranks_.size()),
      host_logits_(nullptr, stage.device->exact_dtype(), config.vocab_size * ranks_.size()),
      likely_(stage.device, DType::kI8, 1) {
  Device& device = *stage.device;
  const bool is_training = purpose == Purpose::kTraining;
  const DType dtype = device.activation_dtype(), exact = device.exact_dtype();
  const int64_t query_width = config.num_heads * config.head_dim,
                key_width = config.num_kv_heads * config.head_dim;
  const auto matrix = [&](int64_t width) { return arena_.tensor(dtype, {max_tokens, width}); };
  const int64_t part = max_tokens / ranks.token_parts();
  const auto stream = [&] { return arena_.tensor(dtype, {part, config.hidden_size}); };
  const auto column = [&] { return is_training ? arena_.tensor(exact, {part}) : Tensor{}; };
  const std::vector<double> radians = config.rope_frequencies();
  frequencies = arena_.tensor(DType::kF64, {static_cast<int64_t>(radians.size())});
  device.copy(view(radians), frequencies);
  whole_next_ids_ = arena_.tensor(DType::kI32, {max_tokens});
  whole_next_logits_ = arena_.tensor(exact, {max_tokens});

  Tensor x = stream();
  for (int64_t layer = 0; layer < (is_training ? config.num_layers : 1); ++layer) {
    const BlockTensors* first = whole_blocks_.empty() ? nullptr : whole_blocks_.data();
    const bool shares_cheap = first != nullptr && recompute != Recompute::kNone;
    const bool shares_all = first != nullptr && recompute == Recompute::kFull;
    BlockTensors block;
    if (shares_all) block = *first;
    block.x = x;
    block.normed = shares_cheap ? first->normed : matrix(config.hidden_size);
    if (!shares_all) {
      block.q = matrix(query_width);
      block.k = matrix(key_width);
      block.v = matrix(key_width);
      block.attended = matrix(query_width);
      block.gate = matrix(config.intermediate_size);
      block.up = matrix(config.intermediate_size);
      block.attention_rstd = column();
      block.ffn_rstd = column();
      if (is_training) block.lse = arena_.tensor(exact, {max_tokens, config.num_heads});
      block.middle = is_training ? stream() : x;
      block.ffn_normed = !is_training   ? block.normed
                         : shares_cheap ? first->ffn_normed
                                        : matrix(config.hidden_size);
      block.gated = !is_training   ? block.gate
                    : shares_cheap ? first->gated
                                   : matrix(config.intermediate_size);
    }
    block.out = x = is_training ? stream() : x;
    whole_blocks_.push_back(block);
  }
  if (stage.arriving)
    whole_arrived_ = *stage.arriving == dtype
                         ? whole_blocks_[0].x
                         : arena_.tensor(*stage.arriving, {max_tokens, config.hidden_size});
  whole_final_normed_ = is_training ? matrix(config.hidden_size) : whole_blocks_[0].normed;
  whole_final_rstd_ = column();
  if (!ranks.is_alone()) whole_sum_ = matrix(config.hidden_size);
  if (!ranks.is_alone() && !is_training)
    whole_exact_sum_ = arena_.tensor(exact, {std::min(max_tokens, kDecodeTokens), config.hidden_size});
  if (!is_training) return;
  for (Tensor* tensor : {&whole_logp_, &whole_lse_, &whole_coefficients_})
    *tensor = arena_.tensor(DType::kF64, {max_tokens});
  whole_gradients_.x = stream();
  whole_gradients_.x_whole = ranks.is_alone() ? whole_gradients_.x : matrix(config.hidden_size);
  whole_gradients_.normed = matrix(config.hidden_size);
  whole_gradients_.norm = arena_.tensor(dtype, {config.hidden_size});
  for (Tensor* tensor : {&whole_gradients_.q, &whole_gradients_.attended}) *tensor = matrix(query_width);
  for (Tensor* tensor : {&whole_gradients_.k, &whole_gradients_.v}) *tensor = matrix(key_width);
  for (Tensor* tensor : {&whole_gradients_.gate, &whole_gradients_.up, &whole_gradients_.gated})
    *tensor = matrix(config.intermediate_size);
}

void Llama::Activations::resize(int64_t count) {
  CHECK(count > 0 && count <= max_tokens, "{} tokens of {}", count, max_tokens);
  CHECK(count % ranks.token_parts() == 0, "{} tokens on {} ranks", count, ranks.size());
  num_tokens = count;
  blocks.clear();
  for (const BlockTensors& block : whole_blocks_) blocks.push_back(block.rows(count, ranks.token_parts()));
  final_normed = whole_final_normed_.rows(0, count);
  if (whole_final_rstd_) final_rstd = whole_final_rstd_.rows(0, count / ranks.token_parts());
  if (whole_arrived_) arrived = whole_arrived_.rows(0, count);
  if (whole_sum_) sum = whole_sum_.rows(0, count);
  exact_sum = whole_exact_sum_ && count <= kDecodeTokens ? whole_exact_sum_.rows(0, count) : Tensor{};
  if (purpose != Purpose::kTraining) return;
  gradients = whole_gradients_.rows(count, ranks.token_parts());
  logp = whole_logp_.rows(0, count);
  lse = whole_lse_.rows(0, count);
  coefficients = whole_coefficients_.rows(0, count);
}

Tensor GrowingRows::rows(int64_t count) {
  if (!all_ || count > all_.dim(0)) {
    all_ = {};
    arena_ =
        device_ == nullptr ? std::make_unique<Arena>("logits") : std::make_unique<Arena>("logits", *device_);
    all_ = arena_->tensor(dtype_, {count, width_});
  }
  return all_.rows(0, count);
}

Llama::Activations& Llama::prepare(std::unique_ptr<Activations>& activations, const Stage& stage,
                                   Purpose purpose, int64_t count) {
  if (activations == nullptr || count > activations->max_tokens) {
    recordings_.clear();
    activations.reset();
    activations = std::make_unique<Activations>(stage, config_, count, purpose, Recompute::kNone, ranks_);
  }
  activations->resize(count);
  return *activations;
}

// The hidden states of the stage before come along.
Llama::Activations& Llama::enter_stage(size_t stage, std::span<const int32_t> ids) {
  Activations& a = prepare(activations_[stage], stages_[stage], Purpose::kGeneration, std::ssize(ids));
  if (stage == 0)
    check_ids(ids, a);
  else
    a.stage.device->copy(activations_[stage - 1]->block(0).out, a.arrived);
  return a;
}

void Llama::check_ids(std::span<const int32_t> ids, const Activations& a) const {
  const int64_t vocab_size = config_.vocab_size * a.ranks.size();  // All ranks' parts.
  for (const int32_t id : ids) CHECK(id >= 0 && id < vocab_size, "id {} of {}", id, vocab_size);
}

void Llama::prepare_training(const TrainingPasses& passes) {
  CHECK(stages_.size() == 1, "training on {} devices", stages_.size());
  training_ = std::make_unique<Activations>(stages_[0], config_, passes.max_tokens, Purpose::kTraining,
                                            passes.recompute, TensorRanks(*device_, passes.tensor_ranks));
  units_ = passes.units;
}

size_t Llama::training_bytes() const {
  return training_ == nullptr ? 0 : training_->bytes();
}

size_t Llama::bytes_per_token() const {
  size_t bytes = weights_.final_norm.bytes() + weights_.head.bytes();
  for (const LayerWeights& w : weights_.layers) {
    bytes += w.attention_norm.bytes() + w.ffn_norm.bytes();
    for (const Matrix* matrix : {&w.q, &w.k, &w.v, &w.o, &w.gate, &w.up, &w.down}) bytes += matrix->bytes();
  }
  return bytes;
}

KvCache Llama::make_cache(int64_t max_sequences, int64_t max_positions) {
  return make_cache({.max_sequences = max_sequences, .max_positions = max_positions});
}

DType Llama::cache_dtype() const {
  return cache_dtype_on(*device_);
}

DType Llama::cache_dtype_on(const Device& device) const {
  if (device.is_reference()) return DType::kF64;
  const DType dtype =
      cache_dtype_.value_or(weights_.layers[0].q.dtype() == DType::kF32 ? DType::kF32 : DType::kBF16);
  return dtype == DType::kF8 && !device.is_cuda() ? DType::kBF16 : dtype;  // Processors have no fp8.
}

std::vector<KvCache::Part> Llama::cache_parts() const {
  std::vector<KvCache::Part> parts;
  for (const Stage& stage : stages_)
    parts.push_back({.device = stage.device,
                     .num_layers = stage.last - stage.first,
                     .dtype = cache_dtype_on(*stage.device)});
  return parts;
}

size_t Llama::cache_bytes(const KvCacheOptions& options) const {
  size_t bytes = 0;
  for (const KvCache::Part& part : cache_parts()) bytes += KvCache::bytes(part, config_, options);
  return bytes;
}

size_t Llama::cache_bytes_on_device(const KvCacheOptions& options) const {
  return KvCache::bytes(cache_parts().back(), config_, options);
}

KvCache Llama::make_cache(KvCacheOptions options) {
  options.dtype = cache_dtype();
  KvCache cache(cache_parts(), config_, options);
  if (is_leading()) {
    cache.number = std::make_shared<const int32_t>(num_caches_++);
    caches_.push_back(cache.number);
  }
  return cache;
}

}  // namespace poro
