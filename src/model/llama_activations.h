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

struct Llama::Activations {
  Activations(const LlamaConfig& config, DType dtype, int64_t max_tokens);

  // Sets every view below to its first `count` rows.
  void resize(int64_t count);
  // (T, V), for up to as many rows as ever asked.
  Tensor logits(int64_t rows);

  int64_t max_tokens, num_tokens = 0;
  Tensor ids, positions;              // (T) i32
  Tensor frequencies;                 // (D/2) f64
  Tensor x, normed, attended;         // (T, C), (T, C), (T, H*D)
  Tensor q, k, v;                     // (T, H*D), (T, K*D), (T, K*D)
  Tensor gate, up;                    // (T, F)

 private:
  int64_t vocab_size_;
  DType dtype_;
  Arena arena_{"activations"};
  std::unique_ptr<Arena> logits_arena_;
  Tensor logits_;
};

}  // namespace poro
