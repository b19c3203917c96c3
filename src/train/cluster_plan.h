// A recipe on a cluster, on paper: memory of a GPU, what GPUs say to each other, and the time that follows
// from stated shares of what the hardware can do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/config.h"
#include "train/memory_plan.h"
#include "train/recipe.h"

namespace poro {

// As its maker states it.
struct Gpu {
  std::string name;
  double memory_bytes;  // That a program can have
  double flops;         // bf16, dense, a second
  double link_bytes;    // A second, to the GPUs of the node, one direction
  double
      network_bytes;  // A second, to other nodes, of this GPU's share of the node's adapters, one direction
};

// Throws Error that lists the known ones.
Gpu named_gpu(const std::string& name);

struct ClusterRequest {
  Recipe recipe;
  LlamaConfig config;
  Gpu gpu;
  int64_t nodes = 1, gpus_per_node = 8;
  std::optional<double> tokens;  // Of the run, where the recipe does not say
  double efficiency = 0.45;      // The share of peak that compute reaches between messages
};

struct ClusterPlan {
  int64_t gpus = 0, replicas = 0, accumulation = 0;
  std::vector<MemoryRow> memory = {};  // Of a GPU; the copy for checkpoints lies in the host's
  double tokens_per_step = 0;
  std::optional<double> steps = {};
  double flops_per_step = 0;  // Of all GPUs, recomputation included
  double replica_bytes = 0;   // That a GPU sends to other replicas in a step
  double tensor_bytes = 0;    // And to those that hold the other parts of its matrices
  double compute_seconds = 0, replica_seconds = 0, tensor_seconds = 0;
  double step_seconds =
      0;  // Replicas talk while they compute; the ranks of a matrix must wait for each other.
  bool fits() const;
  double gpu_memory = 0;
};

// Throws Error when recipe and GPUs do not fit together.
ClusterPlan plan_cluster(const ClusterRequest& request);

std::string describe(const ClusterPlan& plan, const ClusterRequest& request);

}  // namespace poro
