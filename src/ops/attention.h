// Causal attention with grouped key/value heads, softmax(q k^T / sqrt(D)) v, in the two forms a Llama model
// needs: over packed rows (training) and over a paged cache (generation). Query head h reads key/value head h
// / (H / K). Ainslie et al., GQA, 2023; Kwon et al., PagedAttention, 2023.
#pragma once

#include "ops/op.h"

namespace poro {

// Several documents in one row of T tokens; each token sees its own document up to itself.
struct PackedAttention {
  Tensor q, k, v;    // (T, H, D), (T, K, D), (T, K, D)
  Tensor starts;     // (T) i32: where the token's document begins; never falls from token to token
  Tensor y;          // (T, H, D)
  Tensor lse;        // (T, H) or none: log of the softmax's denominator, for the backward pass
  double pairs = 0;  // Of a query and a key: for the cost alone, where `starts` are on a GPU.
  // kBF16: q, k, v and the softmax's weights may be rounded to it before they are multiplied; sums stay as
  // they are.
  DType operands = DType::kF32;
};
PORO_OP(PackedAttention);

// The gradients of PackedAttention, from its output and log denominators: with p the softmax and
// ds = p (dy . v - dy . y), dq = ds k / sqrt(D), dk = ds^T q / sqrt(D), dv = p^T dy. Dao et al.,
// FlashAttention, 2022.
struct PackedAttentionBackward {
  Tensor q, k, v, starts, y, lse;  // As in the forward pass
  Tensor dy;                       // (T, H, D)
  Tensor dq, dk, dv;               // (T, H, D), (T, K, D), (T, K, D)
  double pairs = 0;                // As in the forward pass
  DType operands = DType::kF32;    // The same, and dy, p and ds
};
PORO_OP(PackedAttentionBackward);

// New tokens of B sequences against their cached keys and values. The new tokens' own are in the cache
// already.
struct CachedAttention {
  Tensor q;           // (T, H, D): the new tokens of all sequences, one sequence after the other
  Tensor keys;        // (P, K, S, D): P pages of S positions
  Tensor values;      // (P, K, S, D)
  Tensor page_table;  // (B, N) i32: the pages of each sequence in order
  Tensor row_starts;  // (B + 1) i32: sequence b owns the rows [row_starts[b], row_starts[b + 1]) of q
  Tensor lengths;     // (B) i32: positions of the sequence in the cache, the new ones included
  Tensor y;           // (T, H, D)
  // At least the most new tokens of a sequence and the greatest length: a GPU shares out its work without a
  // look at the tables.
  int64_t max_new_tokens = 0, max_length = 0;
};
PORO_OP(CachedAttention);

// Writes new keys and values into their places in the cache, converted to the cache's type.
struct CacheWrite {
  Tensor k, v;          // (T, K, D)
  Tensor slots;         // (T) i32: page * S + offset in the page
  Tensor keys, values;  // (P, K, S, D)
};
PORO_OP(CacheWrite);

}  // namespace poro
