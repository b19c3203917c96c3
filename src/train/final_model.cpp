#include "train/final_model.h"

#include "base/error.h"
#include "base/file.h"
#include "model/checkpoint.h"
#include "model/companions.h"

namespace poro {
namespace {

namespace fs = std::filesystem;

}  // namespace

std::map<std::string, Tensor> named_weights(const Llama& model) {
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
  std::map<std::string, Tensor> named;
  size_t at = 0;
  for (const WeightSpec& spec : weight_table(model.config())) named[spec.name] = tensors[at++];
  return named;
}

void write_final_model(const fs::path& folder, Shards& shards, LlamaConfig config, Precision precision,
                       const fs::path& companions, Writes writes) {
  config.dtype = precision == Precision::kBf16 ? DType::kBF16 : DType::kF32;
  Arena arena("the final model");
  std::vector<NamedTensor> tensors;
  for (size_t i = 0; i < shards.table().size(); ++i) {
    const Tensor whole = shards.whole_weight(static_cast<int64_t>(i));
    if (writes == Writes::kNo) continue;
    const Tensor copy = arena.tensor(config.dtype, whole.shape);
    for (int64_t at = 0; at < whole.elements(); ++at) store_element(copy, at, load_element(whole, at));
    tensors.push_back({.name = shards.table()[i].name, .tensor = copy});
  }
  if (writes == Writes::kNo) return;
  save_checkpoint(folder, config, tensors);
  if (!companions.empty()) copy_companions(companions, folder);
}

}  // namespace poro
