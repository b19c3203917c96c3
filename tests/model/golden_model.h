// The tiny random model of our own goldens: the same weights on every machine, so that only the numbers are
// stored.
#pragma once

#include <vector>

#include "model/checkpoint.h"
#include "model/llama.h"

namespace poro {

inline Llama golden_model(Device& device) {
  LlamaConfig config = LlamaConfig::named_shape("tiny");
  config.vocab_size = 256;
  config.rope_theta = 500000;
  config.llama3_rope = Llama3Rope{.original_max_positions = 64};
  return Llama::random(device, config, DType::kBF16, 20261123);
}

// The weights under the names of a checkpoint.
inline std::vector<NamedTensor> named_tensors(const Llama& model) {
  const LlamaWeights& weights = model.weights();
  std::vector<Tensor> tensors = {weights.embedding};
  for (const LayerWeights& w : weights.layers) {
    tensors.push_back(w.attention_norm);
    for (const Matrix* matrix : {&w.q, &w.k, &w.v, &w.o}) tensors.push_back(matrix->values);
    tensors.push_back(w.ffn_norm);
    for (const Matrix* matrix : {&w.gate, &w.up, &w.down}) tensors.push_back(matrix->values);
  }
  tensors.push_back(weights.final_norm);
  if (!model.config().has_tied_head) tensors.push_back(weights.head.values);
  std::vector<NamedTensor> named;
  for (const WeightSpec& spec : weight_table(model.config()))
    named.push_back({.name = spec.name, .tensor = tensors[named.size()]});
  return named;
}

}  // namespace poro
