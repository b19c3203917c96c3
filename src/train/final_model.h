// What comes out of a run: a Hugging Face folder, that poro and transformers load.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "model/llama.h"
#include "train/recipe.h"
#include "train/shards.h"

namespace poro {

// The weights of a model by their names in a checkpoint.
std::map<std::string, Tensor> named_weights(const Llama& model);

// Writes config.json and the weights in the run's precision, and copies what belongs to a model and is no
// weight (tokenizer, template, generation config, licence) from `companions`. Collective; the first rank
// writes. Throws Error.
enum class Writes { kNo, kYes };
void write_final_model(const std::filesystem::path& folder, Shards& shards, LlamaConfig config,
                       Precision precision, const std::filesystem::path& companions, Writes writes);

}  // namespace poro
