// The memory of one forward call: allocated for the largest number of tokens seen, viewed at the number at
// hand.
#pragma once

#include <algorithm>
#include <memory>

#include "model/llama.h"

namespace poro {

// Integers of the host as a tensor; they must outlive the view.
inline Tensor view(std::span<const int32_t> values) {
  return {.data = reinterpret_cast<std::byte*>(const_cast<int32_t*>(values.data())),
          .dtype = DType::kI32,
          .shape = {static_cast<int64_t>(values.size())}};
}

inline Tensor view(std::span<const double> values) {
  return {.data = reinterpret_cast<std::byte*>(const_cast<double*>(values.data())),
          .dtype = DType::kF64,
          .shape = {static_cast<int64_t>(values.size())}};
}

// What one block reads and writes. Where ranks split the matrices, T tokens of the products are T / ranks of
// what lies between (T' below). In generation all blocks share one set, and x, middle and out are one tensor;
// training keeps a set per block for the way back, of which blocks share what is computed again there.
struct BlockTensors {
  Tensor x;                       // (T', C): into the block
  Tensor normed, attention_rstd;  // (T, C), (T') or none
  Tensor q, k, v;                 // (T, H*D), (T, K*D), (T, K*D)
  Tensor attended, lse;           // (T, H*D), (T, H) or none
  Tensor middle;                  // (T', C): after attention
  Tensor ffn_normed, ffn_rstd;    // (T, C), (T') or none
  Tensor gate, up, gated;         // (T, F); gated may be gate
  Tensor out;                     // (T', C)

  // For `count` tokens in so many parts.
  BlockTensors rows(int64_t count, int parts) const;
};

// Gradients of what a block reads and writes, on the way back.
struct BlockGradients {
  Tensor x, x_whole,
      normed;   // (T', C), (T, C): the residual stream, and all ranks' rows of it; (T, C): after a norm
  Tensor norm;  // (C): of a norm's weights, before the ranks' sum
  Tensor q, k, v, attended;  // (T, H*D), (T, K*D), (T, K*D), (T, H*D)
  Tensor gate, up, gated;    // (T, F)

  BlockGradients rows(int64_t count, int parts) const;
};

enum class Purpose { kGeneration, kTraining };

// Integers that the ops of a call read, brought to the device in one copy.
class DeviceIntegers {
 public:
  explicit DeviceIntegers(Device& device) : device_(&device) {}
  // Views of the parts where the device's ops can read them, until the next call. Parts of the same sizes
  // come to the same places as long as `memory` does not change.
  std::vector<Tensor> set(std::span<const std::span<const int32_t>> parts);
  const std::byte* memory() const { return whole_.data; }

 private:
  Device* device_;
  std::vector<int32_t> host_;
  std::unique_ptr<Arena> arena_;
  Tensor whole_;
};

// A matrix for the most rows that were ever asked for.
class GrowingRows {
 public:
  // device null: in the host's memory.
  GrowingRows(Device* device, DType dtype, int64_t width) : device_(device), dtype_(dtype), width_(width) {}
  Tensor rows(int64_t count);

 private:
  Device* device_;
  DType dtype_;
  int64_t width_;
  std::unique_ptr<Arena> arena_;
  Tensor all_;
};

struct Llama::Activations {
  Activations(const Stage& stage, const LlamaConfig& config, int64_t max_tokens, Purpose purpose,
              Recompute recompute = Recompute::kNone, const TensorRanks& ranks = TensorRanks());

  // Sets every view below to its first `count` rows.
  void resize(int64_t count);
  // Logits for up to as many rows as ever asked, on the device: of this rank's part of the vocabulary, and
  // (T, V); and a place for the latter on the host.
  Tensor logits(int64_t rows) { return logits_.rows(rows); }
  Tensor whole_logits(int64_t rows) { return ranks.is_alone() ? logits(rows) : whole_logits_.rows(rows); }
  Tensor logits_on_host(int64_t rows) { return is_on_host_ ? whole_logits(rows) : host_logits_.rows(rows); }
  // (T) i32 and (T), on the device: the likeliest ids and their logits.
  Tensor next_ids(int64_t rows) const { return whole_next_ids_.rows(0, rows); }
  Tensor likely_bytes(int64_t count) { return likely_.rows(count).reshaped({count}); }
  Tensor next_logits(int64_t rows) const { return whole_next_logits_.rows(0, rows); }

  size_t bytes() const { return arena_.bytes(); }

  Stage stage;
  Purpose purpose;
  Recompute recompute;
  TensorRanks ranks;
  int64_t max_tokens, num_tokens = 0;
  DeviceIntegers integers, targets;
  Tensor ids, positions, starts;     // (T) i32; starts over packed rows only
  Tensor frequencies;                // (D/2) f64
  std::vector<BlockTensors> blocks;  // One, or one per layer
  Tensor arrived;                    // (T, C): from the stage before, in its type; may be the first block's x
  Tensor final_normed, final_rstd;   // (T, C), (T') or none
  Tensor sum;                        // (T, C): of products, before the ranks' sum; none for a rank alone
  Tensor exact_sum;                  // (T, C): the same unrounded, for a few tokens of generation
  Tensor logp, lse, coefficients;    // (T) f64: of the loss, in training only
  BlockGradients gradients;          // In training only
  double pairs = 0;                  // Of a query and a key over packed rows

  const BlockTensors& block(int64_t layer) const {
    return blocks[purpose == Purpose::kTraining ? static_cast<size_t>(layer) : 0];
  }

 private:
  bool is_on_host_;
  Arena arena_;
  std::vector<BlockTensors> whole_blocks_;
  Tensor whole_arrived_, whole_final_normed_, whole_final_rstd_, whole_sum_, whole_exact_sum_, whole_logp_,
      whole_lse_, whole_coefficients_, whole_next_ids_, whole_next_logits_;
  BlockGradients whole_gradients_;
  GrowingRows logits_, whole_logits_, host_logits_, likely_;
};

}  // namespace poro
