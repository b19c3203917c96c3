// The memory that generating takes, from a model's shapes alone: before anything is read. A model that does
// not fit the GPU leaves its first blocks and the embedding, of which a token reads one row, in the memory of
// the processor, which runs them; the last blocks and the head are the GPU's, so what a step copies between
// the two is one row of hidden states a token.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "model/config.h"

namespace poro {

class Llama;

// Of the weights with their matrices in `dtype`: kF32, kBF16, kF16, kF8, kI8, kI4.
double weight_bytes(const LlamaConfig& config, DType dtype);

// Bytes in one place.
struct MemoryShare {
  double weights = 0, cache = 0, activations = 0, workspace = 0;

  double total() const { return weights + cache + activations + workspace; }
};

struct GenerationMemory {
  MemoryShare gpu = {}, host = {};  // The latter nothing where all is on the GPU.
  int64_t context = 0;              // Positions of the cache
  int64_t gpu_layers = 0;
  bool is_split = false;
};

struct GenerationNeeds {
  const LlamaConfig& config;  // Of the whole model
  DType weights = DType::kBF16;
  DType cache = DType::kBF16;
  int ranks = 1;                           // That split the model, each with a GPU
  std::optional<int64_t> context = {};     // None: as many positions as fit, at most the model's limit.
  std::optional<int64_t> gpu_layers = {};  // None: all, or as many as fit.
  double free = 0;                         // Bytes of the GPU
  double free_on_host = 0;                 // 0: nothing is left to the processor.
};
// On each GPU. Throws Error that says what is needed, by how much it is too much and what would fit.
GenerationMemory plan_gpu_memory(const GenerationNeeds& request);

// What prompts and ops take beside weights and caches on the GPU of a model that is loaded.
double working_bytes(const Llama& model);

// "weights 15.0 GiB, cache of 8192 positions 1.0, ...", of one place.
std::string describe(const MemoryShare& memory, int64_t context);
// What lies where, and why: a line for the GPU and, of a model that is split, one for the processor.
std::vector<std::string> describe(const GenerationMemory& memory, const GenerationNeeds& needs);

}  // namespace poro
