#include "model/weights.h"

namespace poro {

std::vector<WeightSpec> weight_table(const LlamaConfig& config) {
  const int64_t V = config.vocab_size, C = config.hidden_size, F = config.intermediate_size;
  const int64_t query_width = config.num_heads * config.head_dim,
                kv_width = config.num_kv_heads * config.head_dim;
  std::vector<WeightSpec> table;
  // Heads and widths are outputs of the first products of a block and inputs of the last.
  enum class Split { kOutputs, kInputs };
  const auto matrix = [&](const std::string& name, int64_t outputs, int64_t inputs,
                          Split split = Split::kOutputs) {
    table.push_back({.name = name + ".weight",
                     .shape = {outputs, inputs},
                     .has_decay = true,
                     .split_dim = split == Split::kOutputs ? 0 : 1});
  };
  const auto norm = [&](const std::string& name) {
    table.push_back({.name = name + ".weight", .shape = {C}, .has_decay = false});
  };
  matrix("model.embed_tokens", V, C);
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer);
    norm(prefix + ".input_layernorm");
    matrix(prefix + ".self_attn.q_proj", query_width, C);
    matrix(prefix + ".self_attn.k_proj", kv_width, C);
    matrix(prefix + ".self_attn.v_proj", kv_width, C);
    matrix(prefix + ".self_attn.o_proj", C, query_width, Split::kInputs);
    norm(prefix + ".post_attention_layernorm");
    matrix(prefix + ".mlp.gate_proj", F, C);
    matrix(prefix + ".mlp.up_proj", F, C);
    matrix(prefix + ".mlp.down_proj", C, F, Split::kInputs);
  }
  norm("model.norm");
  if (!config.has_tied_head) matrix("lm_head", V, C);
  return table;
}

LlamaGradients::LlamaGradients(Device& device, const LlamaConfig& config, DType dtype)
    : arena_(std::make_unique<Arena>("gradients", device)) {
  for (const WeightSpec& spec : weight_table(config)) tensors.push_back(arena_->tensor(dtype, spec.shape));
  name_tensors(config);
}

LlamaGradients::LlamaGradients(const LlamaConfig& config, std::span<const Tensor> memory)
    : tensors(memory.begin(), memory.end()) {
  name_tensors(config);
}

void LlamaGradients::name_tensors(const LlamaConfig& config) {
  auto next = tensors.begin();
  embedding = *next++;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    Layer& g = layers.emplace_back();
    for (Tensor* tensor : {&g.attention_norm, &g.q, &g.k, &g.v, &g.o, &g.ffn_norm, &g.gate, &g.up, &g.down})
      *tensor = *next++;
  }
  final_norm = *next++;
  head = config.has_tied_head ? embedding : *next++;
}

void LlamaGradients::zero(Device& device) {
  for (const Tensor& tensor : tensors) device.zero(tensor);
}

}  // namespace poro
