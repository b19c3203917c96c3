// What kernels of attention for every shape share: a row is one query head of one token; the H / K heads that
// share a key/value head are neighbours, so that a key read once serves the whole group. Packed rows are one
// sequence whose tokens see from their document's start.
#pragma once

#include <cmath>

#include "base/cuda/state.h"
#include "ops/attention.h"

namespace poro::cuda::rows {

struct Operand {
  void* data = nullptr;
  DType dtype = DType::kF32;

  __device__ float load(int64_t i) const {
    switch (dtype) {
      case DType::kF32:
        return static_cast<const float*>(data)[i];
      case DType::kBF16:
        return __bfloat162float(static_cast<const __nv_bfloat16*>(data)[i]);
      case DType::kF16:
        return __half2float(static_cast<const __half*>(data)[i]);
      default:
        return static_cast<float>(static_cast<const __nv_fp8_e4m3*>(data)[i]);
    }
  }
  // f32 or bf16
  __device__ void store(int64_t i, float value) const {
    if (dtype == DType::kF32)
      static_cast<float*>(data)[i] = value;
    else
      static_cast<__nv_bfloat16*>(data)[i] = __float2bfloat16(value);
  }
};

// The arguments of all kernels; who does not need a field leaves it.
struct Arguments {
  Operand q, k, v, y, dy, dq, dk, dv;
  float* lse;
  float* delta;  // (T, H): dy . y
  const int32_t* starts;
  const int32_t *page_table, *row_starts, *lengths;  // Cached only
  int num_heads, num_kv_heads, head_dim, num_tokens, page_size, pages_each;
  float scale;

  __device__ int group() const { return num_heads / num_kv_heads; }
};

// The rows of a block's sequence and the keys that each sees.
struct Span {
  int first_token, num_tokens, length;

  __device__ Span(const Arguments& a, int sequence) {
    if (a.page_table == nullptr) {
      first_token = 0, num_tokens = length = a.num_tokens;
    } else {
      first_token = a.row_starts[sequence];
      num_tokens = a.row_starts[sequence + 1] - first_token;
      length = a.lengths[sequence];
    }
  }
  __device__ int num_rows(const Arguments& a) const { return num_tokens * a.group(); }
  __device__ int begin(const Arguments& a, int row) const {
    return a.starts == nullptr ? 0 : a.starts[row / a.group()];
  }
  __device__ int end(const Arguments& a, int row) const { return length - num_tokens + row / a.group() + 1; }
  // Where the row's elements lie in q, y; divided by head_dim, in lse.
  __device__ int64_t row_at(const Arguments& a, int row, int kv_head) const {
    return (static_cast<int64_t>(first_token + row / a.group()) * a.num_heads + kv_head * a.group() +
            row % a.group()) *
           a.head_dim;
  }
};

__device__ inline int64_t key_at(const Arguments& a, int sequence, int position, int kv_head) {
  if (a.page_table == nullptr)
    return (static_cast<int64_t>(position) * a.num_kv_heads + kv_head) * a.head_dim;
  const int64_t page = a.page_table[static_cast<int64_t>(sequence) * a.pages_each + position / a.page_size];
  return ((page * a.num_kv_heads + kv_head) * a.page_size + position % a.page_size) * a.head_dim;
}

inline Operand operand(const Tensor& tensor) {
  return {.data = gpu_data<std::byte>(tensor), .dtype = tensor.dtype};
}

inline void check_types(const Tensor& activations) {
  CHECK(activations.dtype == DType::kF32 || activations.dtype == DType::kBF16, "activations {}",
        activations.str());
}

inline Arguments arguments(const Tensor& q, int64_t num_kv_heads) {
  check_types(q);
  Arguments a = {};
  a.q = operand(q);
  a.num_tokens = static_cast<int>(q.dim(0)), a.num_heads = static_cast<int>(q.dim(1)),
  a.head_dim = static_cast<int>(q.dim(2));
  a.num_kv_heads = static_cast<int>(num_kv_heads);
  a.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(q.dim(2))));
  return a;
}

inline Arguments arguments(const PackedAttention& op) {
  Arguments a = arguments(op.q, op.k.dim(1));
  a.k = operand(op.k), a.v = operand(op.v), a.y = operand(op.y);
  a.starts = gpu_data<int32_t>(op.starts), a.lse = gpu_data<float>(op.lse);
  return a;
}

inline Arguments arguments(const CachedAttention& op) {
  Arguments a = arguments(op.q, op.keys.dim(1));
  a.k = operand(op.keys), a.v = operand(op.values), a.y = operand(op.y);
  a.page_table = gpu_data<int32_t>(op.page_table), a.row_starts = gpu_data<int32_t>(op.row_starts);
  a.lengths = gpu_data<int32_t>(op.lengths);
  a.page_size = static_cast<int>(op.keys.dim(2)), a.pages_each = static_cast<int>(op.page_table.dim(1));
  return a;
}

// Row tiles x K x sequences.
inline dim3 row_blocks(int64_t tokens, const Arguments& a, int rows_each, int64_t num_sequences) {
  const int64_t rows = tokens * (a.num_heads / a.num_kv_heads);
  return dim3(static_cast<unsigned>((rows + rows_each - 1) / rows_each),
              static_cast<unsigned>(a.num_kv_heads), static_cast<unsigned>(num_sequences));
}

}  // namespace poro::cuda::rows
