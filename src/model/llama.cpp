#include "model/llama.h"

#include <cstring>

#include "model/llama_activations.h"

namespace poro {

Llama::Activations::Activations(const LlamaConfig& config, DType dtype, int64_t max_tokens_)
    : max_tokens(max_tokens_), vocab_size_(config.vocab_size), dtype_(dtype) {
  const int64_t query_width = config.num_heads * config.head_dim, key_width = config.num_kv_heads * config.head_dim;
  ids = arena_.tensor(DType::kI32, {max_tokens});
  positions = arena_.tensor(DType::kI32, {max_tokens});
  x = arena_.tensor(dtype, {max_tokens, config.hidden_size});
  normed = arena_.tensor(dtype, {max_tokens, config.hidden_size});
  attended = arena_.tensor(dtype, {max_tokens, query_width});
  q = arena_.tensor(dtype, {max_tokens, query_width});
  k = arena_.tensor(dtype, {max_tokens, key_width});
  v = arena_.tensor(dtype, {max_tokens, key_width});
  gate = arena_.tensor(dtype, {max_tokens, config.intermediate_size});
  up = arena_.tensor(dtype, {max_tokens, config.intermediate_size});
  const std::vector<double> radians = config.rope_frequencies();
  frequencies = arena_.tensor(DType::kF64, {static_cast<int64_t>(radians.size())});
  std::memcpy(frequencies.data, radians.data(), frequencies.bytes());
}

void Llama::Activations::resize(int64_t count) {
  CHECK(count > 0 && count <= max_tokens, "{} tokens of {}", count, max_tokens);
  num_tokens = count;
  for (Tensor* tensor : {&ids, &positions, &x, &normed, &attended, &q, &k, &v, &gate, &up})
    tensor->shape = tensor->shape.with_first(count);
}

Tensor Llama::Activations::logits(int64_t rows) {
  if (!logits_ || rows > logits_.dim(0)) {
    logits_arena_ = std::make_unique<Arena>("logits");
    logits_ = logits_arena_->tensor(dtype_, {rows, vocab_size_});
  }
  return logits_.rows(0, rows);
}

Llama::Activations& Llama::prepare(std::span<const int32_t> ids, std::span<const int32_t> positions) {
  const int64_t count = static_cast<int64_t>(ids.size());
  if (activations_ == nullptr || count > activations_->max_tokens)
    activations_ = std::make_unique<Activations>(config_, device_->activation_dtype(), count);
  activations_->resize(count);
  for (const int32_t id : ids) CHECK(id >= 0 && id < config_.vocab_size, "id {} of {}", id, config_.vocab_size);
  std::memcpy(activations_->ids.data, ids.data(), ids.size_bytes());
  std::memcpy(activations_->positions.data, positions.data(), positions.size_bytes());
  return *activations_;
}

size_t Llama::bytes_per_token() const {
  size_t bytes = weights_.final_norm.bytes() + weights_.head.bytes();
  for (const LayerWeights& w : weights_.layers) {
    bytes += w.attention_norm.bytes() + w.ffn_norm.bytes();
    for (const Matrix* matrix : {&w.q, &w.k, &w.v, &w.o, &w.gate, &w.up, &w.down}) bytes += matrix->bytes();
  }
  return bytes;
}

KvCache Llama::make_cache(int64_t max_sequences, int64_t max_positions) const {
  // The cache is as exact as the weights: half the memory and traffic where they are rounded anyway.
  const DType dtype = device_->is_reference()                             ? DType::kF64
                      : weights_.layers[0].q.dtype() == DType::kF32 ? DType::kF32
                                                                  : DType::kBF16;
  return KvCache(config_, {.max_sequences = max_sequences, .max_positions = max_positions, .dtype = dtype});
}

}  // namespace poro
