// The model: weights on a device and the forward pass in its two forms, over packed rows (training, scoring) and over a paged
// cache (generation). Both run the same block.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/device.h"
#include "model/checkpoint.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "model/weights.h"

namespace poro {

// New tokens of one sequence of the cache.
struct SequenceTokens {
  int64_t sequence;
  std::span<const int32_t> ids;
};

struct LoadOptions {
  // kF32, kBF16, kI8, kI4, or none: as the checkpoint stores them.
  std::optional<DType> weights;
  std::filesystem::path cache_folder;  // Where quantised weights are kept for the next start; empty: nowhere.
};

class Llama {
 public:
  // Opens a folder (see Checkpoint) and prepares the weights for the device. Throws Error.
  static Llama load(Device& device, const std::filesystem::path& folder, const LoadOptions& options);
  // Random weights of a given shape, for benchmarks and tests: normal, deviation 0.02, from `seed`.
  static Llama random(Device& device, const LlamaConfig& config, DType weights, uint64_t seed);
  // The weights of a checkpoint as they are, for tests.
  Llama(Device& device, LlamaConfig config, LlamaWeights weights);

  const LlamaConfig& config() const { return config_; }
  const LlamaWeights& weights() const { return weights_; }
  Device& device() const { return *device_; }
  // A cache fit for this model and device.
  KvCache make_cache(int64_t max_sequences, int64_t max_positions) const;

  // Runs the new tokens and appends them to the cache. Returns the logits (B, V) after each sequence's last token; they live
  // until the next call.
  Tensor forward(std::span<const SequenceTokens> batch, KvCache& cache);
  // The same, with the logits of every new token: (T, V).
  Tensor forward_all(std::span<const SequenceTokens> batch, KvCache& cache);
  // Packed rows without a cache: hidden states after the final norm, (T, C). `starts[t]` is where t's document begins.
  Tensor forward_packed(std::span<const int32_t> ids, std::span<const int32_t> starts);
  // Log-probabilities (T) of `targets` after `hidden` (T, C); the head runs in chunks, (T, V) is never stored.
  Tensor log_probs(const Tensor& hidden, std::span<const int32_t> targets);

 private:
  struct Activations;

  Tensor embed(std::span<const int32_t> ids);
  Tensor blocks(Tensor x, const Tensor& positions, const std::function<void(int64_t, const Tensor&, const Tensor&, const Tensor&, const Tensor&)>& attend);

  Device* device_;
  LlamaConfig config_;
  LlamaWeights weights_;
  std::shared_ptr<void> storage_;  // Keeps mapped files and arenas alive.
};

}  // namespace poro
