// The memory of a training run before it starts: what each part takes on one rank, from the shapes alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"
#include "train/recipe.h"

namespace poro {

struct MemoryRow {
  std::string name;
  double bytes = 0;
};

struct MemoryRequest {
  LlamaConfig config;
  int64_t max_tokens = 0;    // Of a micro-batch
  int64_t replicas = 1;      // Data-parallel ranks
  int64_t tensor_ranks = 1;  // That split each matrix
  int64_t zero = 0;
  Recompute recompute = Recompute::kNone;
  double weight_bytes = 2, master_bytes = 4, moment_bytes = 4, activation_bytes = 4;  // Of one element
};

// Weights, master weights, gradients, moments, activations, workspace, the checkpoint's copy.
std::vector<MemoryRow> plan_memory(const MemoryRequest& request);
double total_bytes(const std::vector<MemoryRow>& rows);
// As a table of text, with the total.
std::vector<std::string> memory_table(const std::vector<MemoryRow>& rows);

}  // namespace poro
