// One block takes 32 rows, a row being one query head of one token; the H / K heads that share a key/value
// head are neighbours, so that a key read once serves the whole group. It walks over the keys, 32 at a time,
// with the softmax kept online (Milakov and Gimelshein, 2018). The backward pass recomputes the scores, once
// by keys for dk and dv and once by rows for dq: sums run in a fixed order, without atomics.
#include "ops/cuda/attention_exact.h"
#include "ops/cuda/attention_rows.cuh"

namespace poro::cuda {
namespace {

using namespace rows;

constexpr int kTile = 32;      // Rows and keys of a tile
constexpr int kThreads = 256;  // 16 by 16: thread (y, x) has rows y and y + 16, columns x and x + 16.

// A tile of 32 vectors in shared memory, padded with zeros to Width; four more floats a row keep the banks
// apart.
template <int Width>
struct Vectors {
  static constexpr int kStride = Width + 4;
  float at[kTile][kStride];

  // `offset(i)`: where vector i begins, or -1 for zeros.
  template <class Offset>
  __device__ void load(const Operand& from, int head_dim, const Offset& offset) {
    for (int i = threadIdx.x / 32; i < kTile; i += kThreads / 32) {
      const int64_t begin = offset(i);
      for (int d = threadIdx.x % 32; d < Width; d += 32)
        at[i][d] = begin >= 0 && d < head_dim ? from.load(begin + d) : 0.0f;
    }
  }
};

// Two by two products of a tile with another: out[a][b] = left[y + 16 a] . right[x + 16 b].
template <int Width>
__device__ void dot_tile(const Vectors<Width>& left, const Vectors<Width>& right, float (&out)[2][2]) {
  const int y = threadIdx.x / 16, x = threadIdx.x % 16;
  out[0][0] = out[0][1] = out[1][0] = out[1][1] = 0;
#pragma unroll 4
  for (int d = 0; d < Width; d += 4) {
    float4 l[2], r[2];
    for (int a = 0; a < 2; ++a) l[a] = *reinterpret_cast<const float4*>(&left.at[y + 16 * a][d]);
    for (int b = 0; b < 2; ++b) r[b] = *reinterpret_cast<const float4*>(&right.at[x + 16 * b][d]);
    for (int a = 0; a < 2; ++a)
      for (int b = 0; b < 2; ++b)
        out[a][b] += l[a].x * r[b].x + l[a].y * r[b].y + l[a].z * r[b].z + l[a].w * r[b].w;
  }
}

struct Square {
  float at[kTile][kTile + 1];
};

// A thread's part of a 32 x Width sum: rows y and y + 16, four columns from 4 x in every 64.
template <int Width>
struct Sum {
  float at[2][Width / 64][4] = {};

  __device__ void scale_row(int a, float factor) {
    for (auto& four : at[a])
      for (float& value : four) value *= factor;
  }
  // Adds the weighted vectors: weight(a, s) for this thread's row a and vector s.
  template <class Weight>
  __device__ void add(const Vectors<Width>& vectors, const Weight& weight) {
    const int x = threadIdx.x % 16;
    for (int s = 0; s < kTile; ++s) {
      const float w[2] = {weight(0, s), weight(1, s)};
#pragma unroll
      for (int j = 0; j < Width / 64; ++j) {
        const float4 v = *reinterpret_cast<const float4*>(&vectors.at[s][64 * j + 4 * x]);
#pragma unroll
        for (int a = 0; a < 2; ++a) {
          at[a][j][0] += w[a] * v.x, at[a][j][1] += w[a] * v.y;
          at[a][j][2] += w[a] * v.z, at[a][j][3] += w[a] * v.w;
        }
      }
    }
  }
  __device__ void store(int a, const Operand& to, int64_t begin, int head_dim) const {
    for (int j = 0; j < Width / 64; ++j)
      for (int c = 0; c < 4; ++c) {
        const int d = 64 * j + 4 * (threadIdx.x % 16) + c;
        if (d < head_dim) to.store(begin + d, at[a][j][c]);
      }
  }
};

// Over the 16 threads that share rows.
__device__ float row_max(float value) {
  for (int step = 8; step > 0; step /= 2) value = fmaxf(value, __shfl_xor_sync(~0u, value, step));
  return value;
}
__device__ float row_sum(float value) {
  for (int step = 8; step > 0; step /= 2) value += __shfl_xor_sync(~0u, value, step);
  return value;
}

template <int Width>
struct ForwardShared {
  Vectors<Width> q, k, v;
  Square p;
};

// Blocks: row tiles x K x sequences.
template <int Width>
__global__ void __launch_bounds__(kThreads) forward(const __grid_constant__ Arguments a) {
  extern __shared__ __align__(16) std::byte memory[];
  auto& shared = *reinterpret_cast<ForwardShared<Width>*>(memory);
  const int kv_head = blockIdx.y, sequence = blockIdx.z, y = threadIdx.x / 16, x = threadIdx.x % 16;
  const Span span(a, sequence);
  const int first_row = static_cast<int>(blockIdx.x) * kTile, num_rows = span.num_rows(a);
  if (first_row >= num_rows) return;
  const int last_row = min(first_row + kTile, num_rows) - 1;
  const int keys_begin = span.begin(a, first_row), keys_end = span.end(a, last_row);
  shared.q.load(a.q, a.head_dim, [&](int i) {
    return first_row + i < num_rows ? span.row_at(a, first_row + i, kv_head) : -1;
  });
  int begin[2] = {}, end[2] = {};
  for (int i = 0; i < 2; ++i) {
    const int row = first_row + y + 16 * i;
    if (row < num_rows) begin[i] = span.begin(a, row), end[i] = span.end(a, row);
  }
  float highest[2] = {-INFINITY, -INFINITY}, sum[2] = {};
  Sum<Width> out;
  for (int base = keys_begin; base < keys_end; base += kTile) {
    __syncthreads();
    const auto offset = [&](int i) {
      return base + i < keys_end ? key_at(a, sequence, base + i, kv_head) : -1;
    };
    shared.k.load(a.k, a.head_dim, offset);
    shared.v.load(a.v, a.head_dim, offset);
    __syncthreads();
    float scores[2][2];
    dot_tile(shared.q, shared.k, scores);
    for (int i = 0; i < 2; ++i) {
      for (int j = 0; j < 2; ++j) {
        const int position = base + x + 16 * j;
        scores[i][j] = position >= begin[i] && position < end[i] ? scores[i][j] * a.scale : -INFINITY;
      }
      const float next = fmaxf(highest[i], row_max(fmaxf(scores[i][0], scores[i][1])));
      const float from = next == -INFINITY ? 0.0f : next;  // Nothing visible yet: all weights are exp(-inf).
      const float kept = expf(highest[i] - from);
      for (int j = 0; j < 2; ++j)
        shared.p.at[y + 16 * i][x + 16 * j] = scores[i][j] = expf(scores[i][j] - from);
      sum[i] = sum[i] * kept + row_sum(scores[i][0] + scores[i][1]);
      out.scale_row(i, kept);
      highest[i] = next;
    }
    __syncwarp();  // The rows of p that a thread reads are its half-warp's.
    out.add(shared.v, [&](int i, int s) { return shared.p.at[y + 16 * i][s]; });
  }
  for (int i = 0; i < 2; ++i) {
    const int row = first_row + y + 16 * i;
    if (row >= num_rows) continue;
    out.scale_row(i, 1.0f / sum[i]);
    const int64_t at = span.row_at(a, row, kv_head);
    out.store(i, a.y, at, a.head_dim);
    if (a.lse != nullptr && x == 0) a.lse[at / a.head_dim] = highest[i] + logf(sum[i]);
  }
}

// delta = dy . y, one warp for each row of (T * H).
__global__ void __launch_bounds__(kThreads) backward_delta(const __grid_constant__ Arguments a) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * (kThreads / 32) + threadIdx.x / 32;
  if (row >= static_cast<int64_t>(a.num_tokens) * a.num_heads) return;
  float sum = 0;
  for (int d = threadIdx.x % 32; d < a.head_dim; d += 32)
    sum += a.dy.load(row * a.head_dim + d) * a.y.load(row * a.head_dim + d);
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
  if (threadIdx.x % 32 == 0) a.delta[row] = sum;
}

template <int Width>
struct BackwardShared {
  Vectors<Width> q, dy, k, v;
  Square p, ds;
};

// The softmax weights and the gradients of the scores of a tile, into shared memory.
template <int Width>
__device__ void score_gradients(BackwardShared<Width>& shared, const Arguments& a, int first_row,
                                int first_key, int kv_head) {
  const Span span(a, 0);
  const int y = threadIdx.x / 16, x = threadIdx.x % 16;
  float scores[2][2], dp[2][2];
  dot_tile(shared.q, shared.k, scores);
  dot_tile(shared.dy, shared.v, dp);
  for (int i = 0; i < 2; ++i) {
    const int row = first_row + y + 16 * i;
    int begin = 0, end = 0;
    float lse = 0, delta = 0;
    if (row < span.num_rows(a)) {
      const int64_t at = span.row_at(a, row, kv_head) / a.head_dim;
      begin = span.begin(a, row), end = span.end(a, row), lse = a.lse[at], delta = a.delta[at];
    }
    for (int j = 0; j < 2; ++j) {
      const int position = first_key + x + 16 * j;
      const float p = position >= begin && position < end ? expf(scores[i][j] * a.scale - lse) : 0.0f;
      shared.p.at[y + 16 * i][x + 16 * j] = p;
      shared.ds.at[y + 16 * i][x + 16 * j] = p * (dp[i][j] - delta) * a.scale;
    }
  }
}

// dk and dv of 32 keys. Blocks: key tiles x K.
template <int Width>
__global__ void __launch_bounds__(kThreads) backward_keys(const __grid_constant__ Arguments a) {
  extern __shared__ __align__(16) std::byte memory[];
  auto& shared = *reinterpret_cast<BackwardShared<Width>*>(memory);
  const int kv_head = blockIdx.y, first_key = static_cast<int>(blockIdx.x) * kTile, y = threadIdx.x / 16;
  const Span span(a, 0);
  const int keys_end = min(first_key + kTile, a.num_tokens), num_rows = span.num_rows(a);
  const auto key = [&](int i) {
    return first_key + i < keys_end ? key_at(a, 0, first_key + i, kv_head) : -1;
  };
  shared.k.load(a.k, a.head_dim, key);
  shared.v.load(a.v, a.head_dim, key);
  Sum<Width> dk, dv;
  for (int first_row = first_key * a.group(); first_row < num_rows; first_row += kTile) {
    if (span.begin(a, first_row) >= keys_end) break;  // These documents begin behind the keys.
    __syncthreads();
    const auto offset = [&](int i) {
      return first_row + i < num_rows ? span.row_at(a, first_row + i, kv_head) : -1;
    };
    shared.q.load(a.q, a.head_dim, offset);
    shared.dy.load(a.dy, a.head_dim, offset);
    __syncthreads();
    score_gradients(shared, a, first_row, first_key, kv_head);
    __syncthreads();
    dv.add(shared.dy, [&](int i, int s) { return shared.p.at[s][y + 16 * i]; });
    dk.add(shared.q, [&](int i, int s) { return shared.ds.at[s][y + 16 * i]; });
  }
  for (int i = 0; i < 2; ++i) {
    if (first_key + y + 16 * i >= keys_end) continue;
    const int64_t at = key_at(a, 0, first_key + y + 16 * i, kv_head);
    dk.store(i, a.dk, at, a.head_dim);
    dv.store(i, a.dv, at, a.head_dim);
  }
}

// dq of 32 rows. Blocks: row tiles x K.
template <int Width>
__global__ void __launch_bounds__(kThreads) backward_rows(const __grid_constant__ Arguments a) {
  extern __shared__ __align__(16) std::byte memory[];
  auto& shared = *reinterpret_cast<BackwardShared<Width>*>(memory);
  const int kv_head = blockIdx.y, first_row = static_cast<int>(blockIdx.x) * kTile, y = threadIdx.x / 16;
  const Span span(a, 0);
  const int num_rows = span.num_rows(a), last_row = min(first_row + kTile, num_rows) - 1;
  const int keys_begin = span.begin(a, first_row), keys_end = span.end(a, last_row);
  const auto offset = [&](int i) {
    return first_row + i < num_rows ? span.row_at(a, first_row + i, kv_head) : -1;
  };
  shared.q.load(a.q, a.head_dim, offset);
  shared.dy.load(a.dy, a.head_dim, offset);
  Sum<Width> dq;
  for (int base = keys_begin; base < keys_end; base += kTile) {
    __syncthreads();
    const auto key = [&](int i) { return base + i < keys_end ? key_at(a, 0, base + i, kv_head) : -1; };
    shared.k.load(a.k, a.head_dim, key);
    shared.v.load(a.v, a.head_dim, key);
    __syncthreads();
    score_gradients(shared, a, first_row, base, kv_head);
    __syncwarp();  // As in the forward pass.
    dq.add(shared.k, [&](int i, int s) { return shared.ds.at[y + 16 * i][s]; });
  }
  for (int i = 0; i < 2; ++i)
    if (first_row + y + 16 * i <= last_row)
      dq.store(i, a.dq, span.row_at(a, first_row + y + 16 * i, kv_head), a.head_dim);
}

unsigned tiles(int64_t count) {
  return static_cast<unsigned>((count + kTile - 1) / kTile);
}

template <class Kernel>
void launch(Cuda& cuda, Kernel* kernel, dim3 blocks, size_t shared_bytes, const Arguments& a) {
  CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  static_cast<int>(shared_bytes)));
  kernel<<<blocks, kThreads, shared_bytes, cuda.state().stream>>>(a);
  CUDA_CHECK_LAUNCH();
}

// Calls body.operator()<Width>() with the width to which heads of `head_dim` are padded.
template <class Body>
void with_width(int head_dim, const Body& body) {
  CHECK(head_dim <= 256, "heads of {}: at most 256", head_dim);
  if (head_dim <= 64) return body.template operator()<64>();
  if (head_dim <= 128) return body.template operator()<128>();
  body.template operator()<256>();
}

}  // namespace

void exact_attention(Cuda& cuda, const PackedAttention& op) {
  if (op.q.dim(0) == 0) return;
  const Arguments a = arguments(op);
  const dim3 blocks = row_blocks(op.q.dim(0), a, kTile, 1);
  with_width(a.head_dim,
             [&]<int Width>() { launch(cuda, forward<Width>, blocks, sizeof(ForwardShared<Width>), a); });
}

void exact_attention(Cuda& cuda, const CachedAttention& op) {
  if (op.q.dim(0) == 0) return;
  const Arguments a = arguments(op);
  const dim3 blocks = row_blocks(op.max_new_tokens, a, kTile, op.lengths.dim(0));
  with_width(a.head_dim,
             [&]<int Width>() { launch(cuda, forward<Width>, blocks, sizeof(ForwardShared<Width>), a); });
}

void exact_attention(Cuda& cuda, const PackedAttentionBackward& op) {
  if (op.q.dim(0) == 0) return;
  Arguments a = arguments(op.q, op.k.dim(1));
  a.k = operand(op.k), a.v = operand(op.v), a.y = operand(op.y), a.dy = operand(op.dy);
  a.dq = operand(op.dq), a.dk = operand(op.dk), a.dv = operand(op.dv);
  a.starts = gpu_data<int32_t>(op.starts), a.lse = gpu_data<float>(op.lse);
  const int64_t rows = op.q.dim(0) * op.q.dim(1);
  a.delta = reinterpret_cast<float*>(cuda.scratch(static_cast<size_t>(rows) * sizeof(float)));
  const unsigned kv_heads = static_cast<unsigned>(op.k.dim(1));
  launch(cuda, backward_delta, dim3(static_cast<unsigned>((rows + kThreads / 32 - 1) / (kThreads / 32))), 0,
         a);
  with_width(a.head_dim, [&]<int Width>() {
    launch(cuda, backward_keys<Width>, dim3(tiles(op.q.dim(0)), kv_heads), sizeof(BackwardShared<Width>), a);
    launch(cuda, backward_rows<Width>, dim3(tiles(rows / op.k.dim(1)), kv_heads),
           sizeof(BackwardShared<Width>), a);
  });
}

}  // namespace poro::cuda
