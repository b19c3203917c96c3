// The one table of a Llama model's weights: what each tensor is called in a Hugging Face checkpoint, its
// shape, whether weight decay applies. Loading, saving, memory plans, optimizers and sharding all read this
// table.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/device.h"
#include "model/config.h"
#include "ops/matrix.h"

namespace poro {

struct WeightSpec {
  std::string name;  // "model.layers.0.self_attn.q_proj.weight"
  Shape shape;
  bool has_decay;                     // Matrices, not norms.
  std::optional<int> split_dim = {};  // The dimension that ranks split; none: each holds the whole.
};

// In the order of the model: embedding, layers, final norm, head (none when tied).
std::vector<WeightSpec> weight_table(const LlamaConfig& config);

// The tensors of a model, ready for the ops.
struct LayerWeights {
  Tensor attention_norm, ffn_norm;  // (C)
  Matrix q, k, v, o;                // (H*D, C), (K*D, C), (K*D, C), (C, H*D)
  Matrix gate, up, down;            // (F, C), (F, C), (C, F)

  // What operands may be rounded to in attention and in the gradients: what the weights' products do.
  DType operands() const { return q.dtype() == DType::kBF16 ? DType::kBF16 : DType::kF32; }
};

struct LlamaWeights {
  Tensor embedding;  // (V, C)
  std::vector<LayerWeights> layers;
  Tensor final_norm;  // (C)
  Matrix head;        // (V, C)
};

// Gradients of the weights, in the order of the weight table, all of one type.
struct LlamaGradients {
  struct Layer {
    Tensor attention_norm, q, k, v, o, ffn_norm, gate, up, down;
  };
  // In memory of their own.
  LlamaGradients(Device& device, const LlamaConfig& config, DType dtype);
  // In memory of someone else's: one tensor for each of the table.
  LlamaGradients(const LlamaConfig& config, std::span<const Tensor> memory);
  void zero(Device& device);

  std::vector<Tensor> tensors;
  Tensor embedding, final_norm;
  Tensor head;  // The embedding's when tied.
  std::vector<Layer> layers;

 private:
  void name_tensors(const LlamaConfig& config);

  std::unique_ptr<Arena> arena_;  // Of their own memory.
};

}  // namespace poro
