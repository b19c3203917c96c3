// Two passes over the scores, each with sums of its own in registers: by keys for dk and dv, by rows for dq.
// That costs seven products where one pass with sums in memory costs five, but every sum has one owner and
// one order, so the gradients' bits never change. In both, one warp asks the copy engine for tiles ahead of
// time and two warpgroups multiply; the products of a tile are queued so that the exponentials of one tile
// run beside the products of its neighbours.
#include <cmath>

#include "ops/cuda/attention_backward.h"
#include "ops/cuda/attention_hopper.cuh"

namespace poro::cuda {
namespace {

using namespace hopper;

constexpr int kOwn = 128,
              kOther = 64;  // A block's own keys (or rows), and the rows (or keys) it takes at a time
constexpr int kConsumers = 256, kThreads = kConsumers + 128;

struct Arguments {
  const __nv_bfloat16 *q, *y, *dy;
  __nv_bfloat16 *dq, *dk, *dv;
  const float* lse;            // (T, H)
  float *row_lse, *row_delta;  // (H, padded T): lse / ln 2, +inf for padding; dy . y
  const int32_t* starts;
  int num_tokens, padded_tokens, num_heads, num_kv_heads;
  float scale;
};

// Blocks of 8 warps, one row of a head each: delta, and lse as the exponents want it.
template <int D>
__global__ void __launch_bounds__(256) prepare(const __grid_constant__ Arguments a) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * 8 + threadIdx.x / 32;
  const int token = static_cast<int>(index / a.num_heads), head = static_cast<int>(index % a.num_heads),
            lane = threadIdx.x % 32;
  if (token >= a.padded_tokens) return;
  float sum = 0;
  if (token < a.num_tokens) {
#pragma unroll
    for (int d = 2 * lane; d < D; d += 64) {
      const float2 y = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(a.y + index * D + d));
      const float2 dy = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(a.dy + index * D + d));
      sum += y.x * dy.x + y.y * dy.y;
    }
  }
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
  if (lane != 0) return;
  const int64_t to = static_cast<int64_t>(head) * a.padded_tokens + token;
  a.row_delta[to] = sum;
  a.row_lse[to] = token < a.num_tokens ? a.lse[index] * kLog2E : INFINITY;
}

__device__ void load_floats(float* to, const float* from, int count, Barrier& full) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
          shared_address(to)),
      "l"(from), "r"(count * 4), "r"(shared_address(&full))
      : "memory");
}

// d = a b^T for tiles with D columns: `a` 64 rows, `b` 64 rows, boxes of 64 columns.
template <int D>
__device__ void start_scores(float (&d)[kOther / 2], const void* a, int a_box_bytes, const void* b) {
  const uint64_t left = descriptor(a), right = descriptor(b);
  pin(d);
  wgmma_fence();
#pragma unroll
  for (int i = 0; i < D / 16; ++i)
    wgmma<Major::kSum, Major::kSum>(d, left + i / 4 * (a_box_bytes >> 4) + i % 4 * 2,
                                    right + i / 4 * (kOther * 128 >> 4) + i % 4 * 2, i > 0);
}
template <int D>
__device__ void start_scores(float (&d)[kOther / 2], uint32_t (&a)[D / 4], const void* b) {
  const uint64_t right = descriptor(b);
  pin(d);
  pin(a);
  wgmma_fence();
#pragma unroll
  for (int i = 0; i < D / 16; ++i)
    wgmma<Major::kSum>(d, a + 4 * i, right + i / 4 * (kOther * 128 >> 4) + i % 4 * 2, i > 0);
}
// d += a b for 64 summed rows of b; the first time d = a b.
template <int D>
__device__ void start_sum(float (&d)[D / 2], uint32_t (&a)[kOther / 4], const void* b, bool is_first) {
  const uint64_t right = descriptor(b, kOther * 128);
  pin(d);
  pin(a);
  wgmma_fence();
#pragma unroll
  for (int i = 0; i < kOther / 16; ++i)
    wgmma<Major::kOther>(d, a + 4 * i, right + i * (16 * 128 >> 4), i > 0 || !is_first);
}

__device__ void to_bf16(const float (&from)[kOther / 2], uint32_t (&to)[kOther / 4]) {
#pragma unroll
  for (int i = 0; i < kOther / 4; ++i) to[i] = pack_bf16(from[2 * i], from[2 * i + 1]);
  pin(to);  // Now, before `from` is a product's again.
}

// ---- By keys

constexpr int kRowStages = 3;

template <int D>
struct KeysShared {
  __nv_bfloat16 k[D / kColumns][kOwn][kColumns], v[D / kColumns][kOwn][kColumns];
  __nv_bfloat16 q[kRowStages][D / kColumns][kOther][kColumns], dy[kRowStages][D / kColumns][kOther][kColumns];
  float lse[kRowStages][kOther], delta[kRowStages][kOther];
  Barrier keys_full, full[kRowStages];
  int rows_end;
};

struct KeysMaps {
  CUtensorMap q, dy, k, v;
};

// The named barrier of a stage that has been read, lse and delta by every thread: all of them arrive, and the
// warp that asks for rows waits.
__device__ int empty(int stage) {
  return 1 + stage;
}

// The first row whose document begins behind `last_key`: `starts` never falls. One warp.
__device__ int find_rows_end(const Arguments& a, int last_key) {
  int low = 0, high = a.num_tokens;  // In [low, high]
  if (a.starts[high - 1] <= last_key) return high;
  while (high > low) {
    const int step = (high - low + 31) / 32, at = low + static_cast<int>(threadIdx.x % 32) * step;
    const unsigned before = __ballot_sync(~0u, at < high && a.starts[min(at, high - 1)] <= last_key);
    const int count = __popc(before);
    if (count == 0) return low;
    const int next_low = low + (count - 1) * step + 1;
    high = min(high, low + count * step), low = next_low;
  }
  return low;
}

template <int D>
struct KeysConsumer {
  KeysShared<D>& shared;
  const Arguments& a;
  const int first_key, kv_head, first_tile, end_tile;
  const int warpgroup = threadIdx.x / 128 - 1, lane = threadIdx.x % 32;
  const int key = first_key + warpgroup * 64 + threadIdx.x % 128 / 32 * 16 + lane / 4;  // And 8 below

  // Scores (of keys by rows) to weights.
  __device__ void weigh(float (&s)[kOther / 2], int stage, int first_row) {
    const float scale_log2 = a.scale * kLog2E;
#pragma unroll
    for (int j = 0; j < kOther / 8; ++j) {
      const float2 lse = *reinterpret_cast<const float2*>(&shared.lse[stage][8 * j + lane % 4 * 2]);
#pragma unroll
      for (int i = 0; i < 4; ++i)
        s[4 * j + i] = exp2_fast(fmaf(s[4 * j + i], scale_log2, i % 2 == 0 ? -lse.x : -lse.y));
    }
    const int last_row = min(first_row + kOther, a.num_tokens) - 1;
    if (first_row >= first_key + kOwn && a.starts[last_row] <= first_key) return;
#pragma unroll
    for (int j = 0; j < kOther / 8; ++j)
#pragma unroll
      for (int c = 0; c < 2; ++c) {
        const int row = first_row + 8 * j + lane % 4 * 2 + c, begin = a.starts[min(row, a.num_tokens - 1)];
        if (key > row || key < begin) s[4 * j + c] = 0;
        if (key + 8 > row || key + 8 < begin) s[4 * j + 2 + c] = 0;
      }
  }
  // p (dp - delta) in place of dp.
  __device__ void differentiate(float (&dp)[kOther / 2], const float (&p)[kOther / 2], int stage) {
#pragma unroll
    for (int j = 0; j < kOther / 8; ++j) {
      const float2 delta = *reinterpret_cast<const float2*>(&shared.delta[stage][8 * j + lane % 4 * 2]);
#pragma unroll
      for (int i = 0; i < 4; ++i)
        dp[4 * j + i] = p[4 * j + i] * (dp[4 * j + i] - (i % 2 == 0 ? delta.x : delta.y));
    }
  }

  __device__ void run() {
    constexpr int kOwnBox = kOwn * 128;
    float dk[D / 2], dv[D / 2];
    const void* my_k = shared.k[0][warpgroup * 64];
    const void* my_v = shared.v[0][warpgroup * 64];
    const int group = a.num_heads / a.num_kv_heads, tiles = end_tile - first_tile, steps = group * tiles;
    float s[kOther / 2], dp[kOther / 2];
    uint32_t p16[kOther / 4], ds16[kOther / 4];
    Ring<kRowStages> ring;
    shared.keys_full.wait(0);
    shared.full[0].wait(0);
    start_scores<D>(s, my_k, kOwnBox, shared.q[0]);
    wgmma_commit();
    start_scores<D>(dp, my_v, kOwnBox, shared.dy[0]);
    wgmma_commit();
    wgmma_wait<1>();
    pin(s);
    weigh(s, 0, first_tile * kOther);
    wgmma_wait<0>();
    pin(dp);
    differentiate(dp, s, 0);
    for (int step = 1; step < steps; ++step) {
      // The sums of the last tile and the next scores; then exponents beside the next dp. With all four
      // products under way at once there would not be enough registers.
      to_bf16(s, p16);
      to_bf16(dp, ds16);
      const int last = ring.stage;
      ring.next();
      shared.full[ring.stage].wait(ring.parity);
      start_sum<D>(dv, p16, shared.dy[last], step == 1);
      start_sum<D>(dk, ds16, shared.q[last], step == 1);
      start_scores<D>(s, my_k, kOwnBox, shared.q[ring.stage]);
      wgmma_commit();
      wgmma_wait<0>();
      pin(s);
      pin(dk);
      pin(dv);
      pin(p16);
      pin(ds16);
      if (step + kRowStages <= steps) arrive_named(empty(last), kConsumers + 32);
      start_scores<D>(dp, my_v, kOwnBox, shared.dy[ring.stage]);
      wgmma_commit();
      weigh(s, ring.stage, (first_tile + step % tiles) * kOther);
      wgmma_wait<0>();
      pin(dp);
      differentiate(dp, s, ring.stage);
    }
    to_bf16(s, p16);
    to_bf16(dp, ds16);
    start_sum<D>(dv, p16, shared.dy[ring.stage], steps == 1);
    start_sum<D>(dk, ds16, shared.q[ring.stage], steps == 1);
    wgmma_commit();
    wgmma_wait<0>();
    pin(dk);
    pin(dv);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const bool is_key = key + 8 * r < a.num_tokens;
      const int64_t at = (static_cast<int64_t>(key + 8 * r) * a.num_kv_heads + kv_head) * D;
      store_row<D>(a.dk + at, dk, r, a.scale, is_key);
      store_row<D>(a.dv + at, dv, r, 1.0f, is_key);
    }
  }
};

// One warp
template <int D>
__device__ void fetch_rows(KeysShared<D>& shared, const KeysMaps& maps, const Arguments& a,
                           const KeysConsumer<D>& plan) {
  const bool asks = threadIdx.x == 0;
  if (asks) {
    shared.keys_full.arrive_and_expect(2 * kOwn * D * 2);
    for (int c = 0; c < D / kColumns; ++c) {
      load_box(shared.k[c], maps.k, shared.keys_full, c * kColumns, plan.kv_head, plan.first_key);
      load_box(shared.v[c], maps.v, shared.keys_full, c * kColumns, plan.kv_head, plan.first_key);
    }
  }
  const int group = a.num_heads / a.num_kv_heads, tiles = plan.end_tile - plan.first_tile;
  Ring<kRowStages> ring;
  for (int step = 0; step < group * tiles; ++step, ring.next()) {
    const int head = plan.kv_head * group + step / tiles, tile = plan.first_tile + step % tiles;
    if (step >= kRowStages) sync_named(empty(ring.stage), kConsumers + 32);
    if (!asks) continue;
    Barrier& full = shared.full[ring.stage];
    full.arrive_and_expect(2 * kOther * D * 2 + 2 * kOther * 4);
    for (int c = 0; c < D / kColumns; ++c) {
      load_box(shared.q[ring.stage][c], maps.q, full, c * kColumns, head, tile * kOther);
      load_box(shared.dy[ring.stage][c], maps.dy, full, c * kColumns, head, tile * kOther);
    }
    const int64_t at = static_cast<int64_t>(head) * a.padded_tokens + tile * kOther;
    load_floats(shared.lse[ring.stage], a.row_lse + at, kOther, full);
    load_floats(shared.delta[ring.stage], a.row_delta + at, kOther, full);
  }
}

// dk and dv of 128 keys. Blocks: K x key tiles; the first keys have the most rows and come first.
template <int D>
__global__ void __launch_bounds__(kThreads, 1)
    by_keys(const __grid_constant__ KeysMaps maps, const __grid_constant__ Arguments a) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) std::byte memory[];
  auto& shared = *reinterpret_cast<KeysShared<D>*>(memory);
  const int first_key = static_cast<int>(blockIdx.y) * kOwn;
  if (threadIdx.x < 32) {
    const int end = find_rows_end(a, min(first_key + kOwn, a.num_tokens) - 1);
    if (threadIdx.x == 0) {
      shared.rows_end = end;
      shared.keys_full.init(1);
      for (int i = 0; i < kRowStages; ++i) shared.full[i].init(1);
      fence_barrier_init();
    }
  }
  __syncthreads();
  const int first_tile = first_key / kOther, end_tile = (shared.rows_end + kOther - 1) / kOther;
  KeysConsumer<D> consumer{.shared = shared,
                           .a = a,
                           .first_key = first_key,
                           .kv_head = static_cast<int>(blockIdx.x),
                           .first_tile = first_tile,
                           .end_tile = end_tile};
  if (threadIdx.x < 128) {
    keep_registers<24>();
    if (threadIdx.x < 32) fetch_rows<D>(shared, maps, a, consumer);
  } else {
    take_registers<240>();
    consumer.run();
  }
#endif
}

// ---- By rows

constexpr int kKeyStages = 4;

template <int D>
struct RowsShared {
  __nv_bfloat16 k[kKeyStages][D / kColumns][kOther][kColumns], v[kKeyStages][D / kColumns][kOther][kColumns];
  Barrier k_full[kKeyStages], k_empty[kKeyStages], v_full[kKeyStages], v_empty[kKeyStages];
};

struct RowsMaps {
  CUtensorMap k, v;
};

template <int D>
struct RowsConsumer {
  RowsShared<D>& shared;
  const Arguments& a;
  const int first_row, head, first_tile, end_tile;
  const int lane = threadIdx.x % 32;
  const int last_begin = a.starts[min(first_row + kOwn, a.num_tokens) - 1];  // Keys before it need a mask.
  const int row = first_row + (static_cast<int>(threadIdx.x) / 128 - 1) * 64 +
                  static_cast<int>(threadIdx.x) % 128 / 32 * 16 + lane / 4;  // And 8 below

  // Of a thread's two rows
  struct Rows {
    float lse[2], delta[2];
    int begin[2];
  };

  // Scores to weights.
  __device__ void weigh(float (&s)[kOther / 2], const Rows& rows, int tile) {
    const float scale_log2 = a.scale * kLog2E;
#pragma unroll
    for (int i = 0; i < kOther / 2; ++i) s[i] = exp2_fast(fmaf(s[i], scale_log2, -rows.lse[i / 2 % 2]));
    if ((tile + 1) * kOther <= first_row && tile * kOther >= last_begin) return;
#pragma unroll
    for (int i = 0; i < kOther / 2; ++i) {
      const int key = tile * kOther + i / 4 * 8 + lane % 4 * 2 + i % 2, r = i / 2 % 2;
      if (key < rows.begin[r] || key > row + 8 * r) s[i] = 0;
    }
  }
  // p (dp - delta) in place of dp.
  __device__ void differentiate(float (&dp)[kOther / 2], const float (&p)[kOther / 2], const Rows& rows) {
#pragma unroll
    for (int i = 0; i < kOther / 2; ++i) dp[i] = p[i] * (dp[i] - rows.delta[i / 2 % 2]);
  }

  // This thread's share of its warpgroup's 64 rows, as the left side of products. Behind the last row, that
  // one again.
  __device__ void load_rows(uint32_t (&to)[D / 4], const __nv_bfloat16* from) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const __nv_bfloat16* at =
          from + (static_cast<int64_t>(min(row + 8 * r, a.num_tokens - 1)) * a.num_heads + head) * D +
          lane % 4 * 2;
#pragma unroll
      for (int i = 0; i < D / 16; ++i) {
        to[4 * i + r] = *reinterpret_cast<const uint32_t*>(at + 16 * i);
        to[4 * i + 2 + r] = *reinterpret_cast<const uint32_t*>(at + 16 * i + 8);
      }
    }
  }

  __device__ void run() {
    uint32_t q[D / 4], dy[D / 4], ds16[kOther / 4];
    float dq[D / 2];
    Rows rows;
    load_rows(q, a.q);
    load_rows(dy, a.dy);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int64_t at = static_cast<int64_t>(head) * a.padded_tokens + row + 8 * r;
      rows.lse[r] = a.row_lse[at], rows.delta[r] = a.row_delta[at],
      rows.begin[r] = a.starts[min(row + 8 * r, a.num_tokens - 1)];
    }
    float s[kOther / 2], dp[kOther / 2];
    Ring<kKeyStages> ring;
    shared.k_full[0].wait(0);
    start_scores<D>(s, q, shared.k[0]);
    wgmma_commit();
    shared.v_full[0].wait(0);
    start_scores<D>(dp, dy, shared.v[0]);
    wgmma_commit();
    wgmma_wait<1>();
    pin(s);
    weigh(s, rows, first_tile);
    wgmma_wait<0>();
    pin(dp);
    if (lane == 0) shared.v_empty[0].arrive();
    differentiate(dp, s, rows);
    for (int tile = first_tile + 1; tile < end_tile; ++tile) {
      to_bf16(dp, ds16);
      const int last = ring.stage;
      ring.next();
      shared.k_full[ring.stage].wait(ring.parity);
      shared.v_full[ring.stage].wait(ring.parity);
      start_scores<D>(s, q, shared.k[ring.stage]);
      wgmma_commit();
      start_sum<D>(dq, ds16, shared.k[last], tile == first_tile + 1);
      start_scores<D>(dp, dy, shared.v[ring.stage]);
      wgmma_commit();
      wgmma_wait<1>();
      pin(s);
      weigh(s, rows, tile);
      wgmma_wait<0>();
      pin(dp);
      pin(dq);
      pin(ds16);
      pin(q);
      pin(dy);
      if (lane == 0) shared.k_empty[last].arrive(), shared.v_empty[ring.stage].arrive();
      differentiate(dp, s, rows);
    }
    to_bf16(dp, ds16);
    start_sum<D>(dq, ds16, shared.k[ring.stage], end_tile == first_tile + 1);
    wgmma_commit();
    wgmma_wait<0>();
    pin(dq);
#pragma unroll
    for (int r = 0; r < 2; ++r)
      store_row<D>(a.dq + (static_cast<int64_t>(row + 8 * r) * a.num_heads + head) * D, dq, r, a.scale,
                   row + 8 * r < a.num_tokens);
  }
};

// dq of 128 rows. Blocks: H x row tiles; the last rows have the most keys and come first.
template <int D>
__global__ void __launch_bounds__(kThreads, 1)
    by_rows(const __grid_constant__ RowsMaps maps, const __grid_constant__ Arguments a) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) std::byte memory[];
  auto& shared = *reinterpret_cast<RowsShared<D>*>(memory);
  if (threadIdx.x == 0) {
    for (int i = 0; i < kKeyStages; ++i) {
      shared.k_full[i].init(1), shared.v_full[i].init(1);
      shared.k_empty[i].init(kConsumers / 32), shared.v_empty[i].init(kConsumers / 32);
    }
    fence_barrier_init();
  }
  __syncthreads();
  const int first_row = static_cast<int>(gridDim.y - 1 - blockIdx.y) * kOwn, head = blockIdx.x;
  const int first_tile = a.starts[first_row] / kOther,
            end_tile = (min(first_row + kOwn, a.num_tokens) + kOther - 1) / kOther;
  if (threadIdx.x < 128) {
    keep_registers<24>();
    if (threadIdx.x != 0) return;
    Ring<kKeyStages> ring;
    for (int tile = first_tile; tile < end_tile; ++tile) {
      const int kv_head = head / (a.num_heads / a.num_kv_heads);
      shared.k_empty[ring.stage].wait(ring.parity ^ 1);
      shared.k_full[ring.stage].arrive_and_expect(kOther * D * 2);
      for (int c = 0; c < D / kColumns; ++c)
        load_box(shared.k[ring.stage][c], maps.k, shared.k_full[ring.stage], c * kColumns, kv_head,
                 tile * kOther);
      shared.v_empty[ring.stage].wait(ring.parity ^ 1);
      shared.v_full[ring.stage].arrive_and_expect(kOther * D * 2);
      for (int c = 0; c < D / kColumns; ++c)
        load_box(shared.v[ring.stage][c], maps.v, shared.v_full[ring.stage], c * kColumns, kv_head,
                 tile * kOther);
      ring.next();
    }
  } else {
    take_registers<240>();
    RowsConsumer<D>{.shared = shared,
                    .a = a,
                    .first_row = first_row,
                    .head = head,
                    .first_tile = first_tile,
                    .end_tile = end_tile}
        .run();
  }
#endif
}

template <int D>
void launch(Cuda& cuda, const PackedAttentionBackward& op, const Arguments& a) {
  const KeysMaps keys_maps = {rows_map(op.q, kOther), rows_map(op.dy, kOther), rows_map(op.k, kOwn),
                              rows_map(op.v, kOwn)};
  const RowsMaps rows_maps = {rows_map(op.k, kOther), rows_map(op.v, kOther)};
  const cudaStream_t stream = cuda.state().stream;
  const unsigned tiles = static_cast<unsigned>(a.padded_tokens / kOwn),
                 heads = static_cast<unsigned>(a.num_heads), kv_heads = static_cast<unsigned>(a.num_kv_heads);
  prepare<D><<<static_cast<unsigned>((static_cast<int64_t>(a.padded_tokens) * a.num_heads + 7) / 8), 256, 0,
               stream>>>(a);
  CUDA_CHECK_LAUNCH();
  constexpr int kKeysBytes = sizeof(KeysShared<D>), kRowsBytes = sizeof(RowsShared<D>);
  CUDA_CHECK(cudaFuncSetAttribute(by_keys<D>, cudaFuncAttributeMaxDynamicSharedMemorySize, kKeysBytes));
  by_keys<D><<<dim3(kv_heads, tiles), kThreads, kKeysBytes, stream>>>(keys_maps, a);
  CUDA_CHECK_LAUNCH();
  CUDA_CHECK(cudaFuncSetAttribute(by_rows<D>, cudaFuncAttributeMaxDynamicSharedMemorySize, kRowsBytes));
  by_rows<D><<<dim3(heads, tiles), kThreads, kRowsBytes, stream>>>(rows_maps, a);
  CUDA_CHECK_LAUNCH();
}

}  // namespace

bool hopper_attention(Cuda& cuda, const PackedAttentionBackward& op) {
  const int64_t T = op.q.dim(0), head_dim = op.q.dim(2);
  if (!is_hopper(cuda) || op.q.dtype != DType::kBF16 || op.dk.dtype != DType::kBF16 || T == 0 ||
      !(head_dim == 64 || head_dim == 128))
    return false;
  Arguments a = {};
  a.q = gpu_data<__nv_bfloat16>(op.q), a.y = gpu_data<__nv_bfloat16>(op.y),
  a.dy = gpu_data<__nv_bfloat16>(op.dy);
  a.dq = gpu_data<__nv_bfloat16>(op.dq), a.dk = gpu_data<__nv_bfloat16>(op.dk),
  a.dv = gpu_data<__nv_bfloat16>(op.dv);
  a.lse = gpu_data<float>(op.lse), a.starts = gpu_data<int32_t>(op.starts);
  a.num_tokens = static_cast<int>(T), a.padded_tokens = static_cast<int>((T + kOwn - 1) / kOwn * kOwn);
  a.num_heads = static_cast<int>(op.q.dim(1)), a.num_kv_heads = static_cast<int>(op.k.dim(1));
  a.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
  const size_t row_floats = static_cast<size_t>(a.padded_tokens) * static_cast<size_t>(a.num_heads);
  a.row_lse = reinterpret_cast<float*>(cuda.scratch(2 * row_floats * sizeof(float)));
  a.row_delta = a.row_lse + row_floats;
  head_dim == 64 ? launch<64>(cuda, op, a) : launch<128>(cuda, op, a);
  return true;
}

}  // namespace poro::cuda
