// The memory that generating takes, from a model's shapes alone: before anything is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/dtype.h"
#include "model/config.h"

namespace poro {

// Of the weights with their matrices in `dtype`: kF32, kBF16, kF16, kF8, kI8, kI4.
double weight_bytes(const LlamaConfig& config, DType dtype);

struct GenerationMemory {
  double weights = 0, cache = 0, activations = 0, workspace = 0;  // Bytes
  int64_t context = 0;                                            // Positions of the cache

  double total() const { return weights + cache + activations + workspace; }
};

struct MemoryRequest {
  const LlamaConfig& config;  // Of the whole model
  DType weights = DType::kBF16;
  DType cache = DType::kBF16;
  int ranks = 1;                        // That split the model, each with a GPU
  std::optional<int64_t> context = {};  // None: as many positions as fit, at most the model's limit.
  double free = 0;                      // Bytes
};
// On each GPU. Throws Error that says what is needed, by how much it is too much and what would fit.
GenerationMemory plan_gpu_memory(const MemoryRequest& request);

// "weights 15.0 GiB, cache of 8192 positions 1.0, ...".
std::string describe(const GenerationMemory& memory);

}  // namespace poro
