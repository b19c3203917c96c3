// The memory of one forward call: allocated for the largest number of tokens seen, viewed at the number at hand.
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

// What one block reads and writes. Where ranks split the matrices, T tokens of the products are T / ranks of what lies between
// (T' below). In generation all blocks share one set, and x, middle and out are one tensor; training
// keeps a set per block for the way back, of which blocks share what is computed again there.
struct BlockTensors {
  Tensor x;                            // (T', C): into the block
  Tensor normed, attention_rstd;       // (T, C), (T') or none
  Tensor q, k, v;                      // (T, H*D), (T, K*D), (T, K*D)
  Tensor attended, lse;                // (T, H*D), (T, H) or none
  Tensor middle;                       // (T', C): after attention
  Tensor ffn_normed, ffn_rstd;         // (T, C), (T') or none
  Tensor gate, up, gated;              // (T, F); gated may be gate
  Tensor out;                          // (T', C)

  // For `count` tokens on so many ranks.
  BlockTensors rows(int64_t count, int ranks) const;
};

// Gradients of what a block reads and writes, on the way back.
struct BlockGradients {
  Tensor x, x_whole, normed;  // (T', C), (T, C): the residual stream, and all ranks' rows of it; (T, C): after a norm
  Tensor norm;               // (C): of a norm's weights, before the ranks' sum
  Tensor q, k, v, attended;  // (T, H*D), (T, K*D), (T, K*D), (T, H*D)
  Tensor gate, up, gated;    // (T, F)

  BlockGradients rows(int64_t count, int ranks) const;
};

enum class Purpose { kGeneration, kTraining };

struct Llama::Activations {
  Activations(const LlamaConfig& config, DType dtype, int64_t max_tokens, Purpose purpose, Recompute recompute = Recompute::kNone,
              const TensorRanks& ranks = TensorRanks());

  // Sets every view below to its first `count` rows.
  void resize(int64_t count);
  // (T, V), for up to as many rows as ever asked.
  Tensor logits(int64_t rows);

  size_t bytes() const { return arena_.bytes(); }

  Purpose purpose;
  Recompute recompute;
  TensorRanks ranks;
  int64_t max_tokens, num_tokens = 0;
  Tensor ids, positions, starts;     // (T) i32; starts in training only
  Tensor frequencies;                // (D/2) f64
  std::vector<BlockTensors> blocks;  // One, or one per layer
  Tensor final_normed, final_rstd;   // (T, C), (T') or none
  Tensor sum;                        // (T, C): of products, before the ranks' sum; none for a rank alone
  BlockGradients gradients;          // In training only

  const BlockTensors& block(int64_t layer) const { return blocks[purpose == Purpose::kTraining ? static_cast<size_t>(layer) : 0]; }

 private:
  int64_t vocab_size_;
  DType dtype_;
  Arena arena_{"activations"};
  std::vector<BlockTensors> whole_blocks_;
  Tensor whole_final_normed_, whole_final_rstd_, whole_sum_;
  BlockGradients whole_gradients_;
  std::unique_ptr<Arena> logits_arena_;
  Tensor logits_;
};

}  // namespace poro
