// FlashAttention-3 (Shah et al., 2024): a block takes 128 rows of one head. One warp asks the copy engine for
// keys and values, 128 at a time, two stages ahead; two warpgroups of 64 rows each multiply. While one
// computes a softmax, the other has the tensor cores; and within a warpgroup the softmax of the next keys
// runs beside the product with the last values. Keys are taken from the last to the first, so that only the
// first tiles (the diagonal) and those where documents begin need a mask.
#include <algorithm>
#include <cmath>

#include "ops/cuda/attention_forward.h"
#include "ops/cuda/attention_hopper.cuh"

namespace poro::cuda {
namespace {

using namespace hopper;

constexpr int kRows = 128, kKeys = 128;  // Of a tile
constexpr int kStages = 2;
constexpr int kConsumers = 256;  // Threads that multiply; a warpgroup more asks for copies.
constexpr int kThreads = kConsumers + 128;

// Tiles given out beyond the first of each block; zero between launches. A GPU runs one stream.
__device__ unsigned tiles_taken;

struct Arguments {
  __nv_bfloat16* y;
  float* lse;
  const int32_t* starts;                             // Packed only
  const int32_t *page_table, *row_starts, *lengths;  // Cached only
  int num_tokens, num_heads, num_kv_heads, page_size, pages_each;
  int row_tiles, heads_together, num_tiles;
  float scale_log2;  // log2(e) / sqrt(D)
};

template <int D>
struct Shared {
  __nv_bfloat16 q[D / kColumns][kRows][kColumns];
  __nv_bfloat16 k[kStages][D / kColumns][kKeys][kColumns];
  __nv_bfloat16 v[kStages][D / kColumns][kKeys][kColumns];
  int tile;  // The index of the tile whose q is there; negative: the end
  Barrier q_full, q_empty, k_full[kStages], k_empty[kStages], v_full[kStages], v_empty[kStages];
};

// What a block works on: rows [first, first + 128) of a sequence, one head, key tiles [begin, end).
struct Tile {
  int head, kv_head, sequence, row_offset, first_row, num_rows, shift, keys_begin, keys_end;

  // Long tiles first. Some heads at a time, so that their keys and values stay in the second-level cache.
  template <bool kPaged>
  __device__ static Tile at(const Arguments& a, int index) {
    Tile t;
    const int section_size = a.heads_together * a.row_tiles;
    const int sections = a.num_heads / a.heads_together;
    const int section = index / section_size % sections, within = index % section_size;
    t.sequence = index / (section_size * sections);
    t.head = section * a.heads_together + within % a.heads_together;
    t.kv_head = t.head / (a.num_heads / a.num_kv_heads);
    t.first_row = (a.row_tiles - 1 - within / a.heads_together) * kRows;
    t.row_offset = 0, t.num_rows = a.num_tokens, t.shift = 0, t.keys_begin = 0;
    if (kPaged) {
      t.row_offset = a.row_starts[t.sequence];
      t.num_rows = a.row_starts[t.sequence + 1] - t.row_offset;
      t.shift = a.lengths[t.sequence] - t.num_rows;
    } else {
      t.keys_begin = a.starts[min(t.first_row, a.num_tokens - 1)];
    }
    t.keys_end = t.shift + min(t.first_row + kRows, t.num_rows);
    return t;
  }
  __device__ bool is_empty() const { return first_row >= num_rows; }
  __device__ int first_tile() const { return keys_begin / kKeys; }
  __device__ int end_tile() const { return (keys_end + kKeys - 1) / kKeys; }
};

struct Maps {
  CUtensorMap q, k, v;
};

template <int D, bool kPaged>
struct Producer {
  Shared<D>& shared;
  const Maps& maps;
  const Arguments& a;
  const int lane = threadIdx.x % 32;
  Ring<kStages> k_ring = {}, v_ring = {};

  // All lanes: each asks for a part.
  __device__ void load_keys(const Tile& t, int tile, const CUtensorMap& map,
                            __nv_bfloat16 (*to)[kKeys][kColumns], Barrier& full) {
    if constexpr (kPaged) {
      const int first = tile * kKeys,
                pages = (min(kKeys, t.keys_end - first) + a.page_size - 1) / a.page_size;
      if (lane == 0) full.arrive_and_expect(pages * a.page_size * D * 2);
      __syncwarp();
      if (lane >= pages) return;
      const int page =
          a.page_table[static_cast<int64_t>(t.sequence) * a.pages_each + first / a.page_size + lane];
      const int row = (page * a.num_kv_heads + t.kv_head) * a.page_size;
      for (int c = 0; c < D / kColumns; ++c)
        load_box(to[c][lane * a.page_size], map, full, c * kColumns, row);
    } else {
      if (lane == 0) full.arrive_and_expect(kKeys * D * 2);
      __syncwarp();
      if (lane < D / kColumns) load_box(to[lane], map, full, lane * kColumns, t.kv_head, tile * kKeys);
    }
  }

  // The next tile of this block. The last one asked for leaves the count as it was.
  __device__ int next_tile() const {
    int next = 0;
    if (lane == 0) {
      const unsigned taken = atomicAdd(&tiles_taken, 1u);
      if (taken == static_cast<unsigned>(a.num_tiles) - 1) atomicExch(&tiles_taken, 0u);
      next = static_cast<int>(gridDim.x + taken);
    }
    return next;
  }

  __device__ void run() {
    uint32_t q_parity = 1;
    for (int index = blockIdx.x; index < a.num_tiles;) {
      const int next = next_tile();
      const Tile t = Tile::at<kPaged>(a, index);
      if (!t.is_empty()) {
        shared.q_empty.wait(q_parity);
        q_parity ^= 1;
        if (lane == 0) {
          shared.tile = index;
          shared.q_full.arrive_and_expect(kRows * D * 2);
        }
        __syncwarp();
        if (lane < D / kColumns)
          load_box(shared.q[lane], maps.q, shared.q_full, lane * kColumns, t.head,
                   t.row_offset + t.first_row);
        load(t);
      }
      index = __shfl_sync(~0u, next, 0);
    }
    shared.q_empty.wait(q_parity);
    if (lane == 0) {
      shared.tile = -1;
      shared.q_full.arrive();
    }
  }

  __device__ void load(const Tile& t) {
    const int first = t.first_tile();
    for (int tile = t.end_tile() - 1; tile >= first - 1;
         --tile) {  // The values one tile behind the keys, as they are needed.
      if (tile >= first) {
        shared.k_empty[k_ring.stage].wait(k_ring.parity ^ 1);
        load_keys(t, tile, maps.k, shared.k[k_ring.stage], shared.k_full[k_ring.stage]);
        k_ring.next();
      }
      if (tile + 1 < t.end_tile()) {
        shared.v_empty[v_ring.stage].wait(v_ring.parity ^ 1);
        load_keys(t, tile + 1, maps.v, shared.v[v_ring.stage], shared.v_full[v_ring.stage]);
        v_ring.next();
      }
    }
  }
};

template <int D, bool kPaged>
struct Consumer {
  Shared<D>& shared;
  const Arguments& a;
  const int group = threadIdx.x / 128 - 1, lane = threadIdx.x % 32;
  const int row_in_tile = group * 64 + threadIdx.x % 128 / 32 * 16 + lane / 4;  // And 8 rows below
  Ring<kStages> k_ring = {}, v_ring = {};
  uint32_t q_parity = 0;

  // Of the tile in work
  float out[D / 2], highest[2], sum[2];
  int begin[2], position[2];

  __device__ void arrive(Barrier& barrier) {
    if (lane == 0) barrier.arrive();
  }
  // The warpgroups take turns at the tensor cores.
  __device__ void await_turn() { sync_named(1 + group, kConsumers); }
  __device__ void pass_turn() { arrive_named(2 - group, kConsumers); }

  __device__ void start_scores(float (&scores)[64]) {
    const uint64_t q = descriptor(shared.q[0][group * 64]), k = descriptor(shared.k[k_ring.stage]);
    pin(scores);
    wgmma_fence();
#pragma unroll
    for (int i = 0; i < D / 16; ++i) {
      const int in_box = i % 4 * 2;  // 32 bytes, in units of 16
      wgmma<Major::kSum, Major::kSum>(scores, q + i / 4 * (sizeof(shared.q[0]) >> 4) + in_box,
                                      k + i / 4 * (sizeof(shared.k[0][0]) >> 4) + in_box, i > 0);
    }
    wgmma_commit();
  }
  __device__ void start_out(uint32_t (&weights)[32]) {
    const uint64_t v = descriptor(shared.v[v_ring.stage], sizeof(shared.v[0][0]));
    pin(weights);
    pin(out);
    wgmma_fence();
#pragma unroll
    for (int i = 0; i < kKeys / 16; ++i)
      wgmma<Major::kOther>(out, weights + 4 * i, v + i * (16 * 128 >> 4), true);
    wgmma_commit();
  }
  __device__ void release_keys() {
    arrive(shared.k_empty[k_ring.stage]);
    k_ring.next();
  }
  __device__ void release_values() {
    arrive(shared.v_empty[v_ring.stage]);
    v_ring.next();
  }

  __device__ void mask(float (&scores)[64], int tile) {
#pragma unroll
    for (int i = 0; i < 64; ++i) {
      const int key = tile * kKeys + i / 4 * 8 + lane % 4 * 2 + i % 2, row = i / 2 % 2;
      if (key < begin[row] || key > position[row]) scores[i] = -INFINITY;
    }
  }
  // Scores to weights, in place; returns in `kept` by what the sums so far must shrink.
  __device__ void softmax(float (&scores)[64], float (&kept)[2]) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float top = highest[r];
#pragma unroll
      for (int i = 0; i < 64; i += 4) top = fmaxf(top, fmaxf(scores[i + 2 * r], scores[i + 2 * r + 1]));
      top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
      top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
      const float from =
          top == -INFINITY ? 0.0f : top * a.scale_log2;  // Nothing visible yet: all weights are 2^-inf.
      kept[r] = exp2_fast(highest[r] * a.scale_log2 - from);
      highest[r] = top;
      float total = 0;
#pragma unroll
      for (int i = 0; i < 64; i += 4) {
#pragma unroll
        for (int j = 2 * r; j < 2 * r + 2; ++j) {
          scores[i + j] = exp2_fast(fmaf(scores[i + j], a.scale_log2, -from));
          total += scores[i + j];
        }
      }
      sum[r] = sum[r] * kept[r] + total;
    }
  }
  __device__ void to_weights(const float (&scores)[64], uint32_t (&weights)[32]) {
#pragma unroll
    for (int i = 0; i < 32; ++i) weights[i] = pack_bf16(scores[2 * i], scores[2 * i + 1]);
  }
  // Pages hold what earlier sequences left, or nothing yet: 0 * NaN must not reach the sums.
  __device__ void clear_unused_values(const Tile& t, int tile) {
    const int used = t.keys_end - tile * kKeys;
    if (used >= kKeys) return;
    for (int i = threadIdx.x - 128; i < (kKeys - used) * (D / 8); i += kConsumers) {
      const int row = used + i / (D / 8), chunk = i % (D / 8);
      *reinterpret_cast<uint4*>(&shared.v[v_ring.stage][chunk / 8][row][chunk % 8 * 8]) = uint4{0, 0, 0, 0};
    }
    fence_shared();
    sync_named(3, kConsumers);
  }

  __device__ void store(const Tile& t) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float total = sum[r];
      total += __shfl_xor_sync(~0u, total, 1);
      total += __shfl_xor_sync(~0u, total, 2);
      const float inverse = 1.0f / total;
      const int row = t.first_row + row_in_tile + 8 * r;
      const bool is_row = row < t.num_rows;
      const int64_t at = static_cast<int64_t>(t.row_offset + row) * a.num_heads + t.head;
      if (!kPaged && a.lse != nullptr && is_row && lane % 4 == 0)
        a.lse[at] = highest[r] * a.scale_log2 * kLn2 + logf(total);
      store_row<D>(a.y + at * D, out, r, inverse, is_row);
    }
  }

  __device__ void start_tile(const Tile& t) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int row = t.first_row + row_in_tile + 8 * r;
      position[r] = t.shift + row;
      begin[r] = kPaged ? 0 : a.starts[min(row, t.num_rows - 1)];
      highest[r] = -INFINITY, sum[r] = 0;
    }
#pragma unroll
    for (float& value : out) value = 0;
  }

  __device__ void run() {
    if (group == 1) pass_turn();
    while (true) {
      shared.q_full.wait(q_parity);
      q_parity ^= 1;
      if (shared.tile < 0) return;
      work(Tile::at<kPaged>(a, shared.tile));
    }
  }

  __device__ void work(const Tile& t) {
    start_tile(t);
    const int first = t.first_tile();
    const int last_begin =
        kPaged ? 0 : a.starts[min(t.first_row + kRows, t.num_rows) - 1];  // Keys before it need a mask.
    const auto needs_mask = [&](int tile) {
      return (tile + 1) * kKeys > t.shift + t.first_row || tile * kKeys < last_begin;
    };
    float scores[64], kept[2];
    uint32_t weights[32];
    int tile = t.end_tile() - 1;
    shared.k_full[k_ring.stage].wait(k_ring.parity);
    await_turn();
    start_scores(scores);
    pass_turn();
    wgmma_wait<0>();
    pin(scores);
    release_keys();
    mask(scores, tile);
    softmax(scores, kept);
    to_weights(scores, weights);
    if constexpr (kPaged) {
      shared.v_full[v_ring.stage].wait(v_ring.parity);
      clear_unused_values(t, tile);
    }
    for (--tile; tile >= first; --tile) {
      shared.k_full[k_ring.stage].wait(k_ring.parity);
      await_turn();
      start_scores(scores);
      shared.v_full[v_ring.stage].wait(v_ring.parity);
      start_out(weights);
      pass_turn();
      wgmma_wait<1>();
      pin(scores);
      release_keys();
      if (needs_mask(tile)) mask(scores, tile);
      softmax(scores, kept);
      wgmma_wait<0>();
      pin(out);
      pin(weights);
      release_values();
#pragma unroll
      for (int i = 0; i < D / 2; ++i) out[i] *= kept[i / 2 % 2];
      to_weights(scores, weights);
    }
    shared.q_empty.arrive();  // Every thread for its own reads, of `tile` among them
    shared.v_full[v_ring.stage].wait(v_ring.parity);
    start_out(weights);
    wgmma_wait<0>();
    pin(out);
    release_values();
    store(t);
  }
};

template <int D, bool kPaged>
__global__ void __launch_bounds__(kThreads, 1)
    forward(const __grid_constant__ Maps maps, const __grid_constant__ Arguments a) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) std::byte memory[];
  Shared<D>& shared = *reinterpret_cast<Shared<D>*>(memory);
  if (threadIdx.x == 0) {
    shared.q_full.init(1);
    shared.q_empty.init(kConsumers);
    for (int i = 0; i < kStages; ++i) {
      shared.k_full[i].init(1), shared.v_full[i].init(1);
      shared.k_empty[i].init(kConsumers / 32), shared.v_empty[i].init(kConsumers / 32);
    }
    fence_barrier_init();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    keep_registers<24>();
    if (threadIdx.x < 32) Producer<D, kPaged>{.shared = shared, .maps = maps, .a = a}.run();
  } else {
    take_registers<240>();
    Consumer<D, kPaged>{.shared = shared, .a = a}.run();
  }
#endif
}

bool has_kernel(Cuda& cuda, const Tensor& q) {
  return is_hopper(cuda) && q.dtype == DType::kBF16 && (q.dim(2) == 64 || q.dim(2) == 128);
}

// (P, K, S, D) as boxes of 64 columns by a page.
CUtensorMap pages_map(const Tensor& tensor) {
  const uint64_t D = static_cast<uint64_t>(tensor.dim(3)),
                 dims[] = {D, static_cast<uint64_t>(tensor.elements()) / D}, strides[] = {2 * D};
  const uint32_t box[] = {kColumns, static_cast<uint32_t>(tensor.dim(2))};
  return tensor_map(tensor.data, {.dims = dims, .strides = strides, .box = box});
}

// As many heads at a time as have half of the second-level cache to themselves, in whole groups.
int heads_together(Cuda& cuda, const Arguments& a, int64_t positions, int64_t head_dim) {
  const int64_t bytes = 4 * positions * head_dim,
                room = std::max<int64_t>(1, cuda.state().properties.l2CacheSize / 2 / bytes);
  int together = 1;
  for (int n = 1; n <= a.num_kv_heads; ++n)
    if (a.num_kv_heads % n == 0 && n <= room) together = n;
  return together * (a.num_heads / a.num_kv_heads);
}

template <int D, bool kPaged>
void launch(Cuda& cuda, const Maps& maps, const Arguments& a) {
  constexpr int kBytes = sizeof(Shared<D>);
  CUDA_CHECK(cudaFuncSetAttribute(forward<D, kPaged>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes));
  const int blocks = std::min(a.num_tiles, cuda.state().num_multiprocessors());
  forward<D, kPaged><<<static_cast<unsigned>(blocks), kThreads, kBytes, cuda.state().stream>>>(maps, a);
  CUDA_CHECK_LAUNCH();
}

Arguments arguments(const Tensor& q, const Tensor& y, int64_t num_kv_heads) {
  Arguments a = {};
  a.y = gpu_data<__nv_bfloat16>(y);
  a.num_tokens = static_cast<int>(q.dim(0)), a.num_heads = static_cast<int>(q.dim(1)),
  a.num_kv_heads = static_cast<int>(num_kv_heads);
  a.scale_log2 = static_cast<float>(std::log2(std::exp(1.0)) / std::sqrt(static_cast<double>(q.dim(2))));
  return a;
}

}  // namespace

bool hopper_attention(Cuda& cuda, const PackedAttention& op) {
  if (!has_kernel(cuda, op.q) || op.k.dtype != DType::kBF16 || op.q.dim(0) == 0) return false;
  Arguments a = arguments(op.q, op.y, op.k.dim(1));
  a.starts = gpu_data<int32_t>(op.starts), a.lse = gpu_data<float>(op.lse);
  a.row_tiles = (a.num_tokens + kRows - 1) / kRows, a.num_tiles = a.row_tiles * a.num_heads;
  a.heads_together = heads_together(cuda, a, op.q.dim(0), op.q.dim(2));
  const Maps maps = {rows_map(op.q, kRows), rows_map(op.k, kKeys), rows_map(op.v, kKeys)};
  op.q.dim(2) == 64 ? launch<64, false>(cuda, maps, a) : launch<128, false>(cuda, maps, a);
  return true;
}

bool hopper_attention(Cuda& cuda, const CachedAttention& op) {
  const int64_t page_size = op.keys.dim(2);
  const bool has_pages = page_size == 16 || page_size == 32 || page_size == 64 || page_size == 128;
  if (!has_kernel(cuda, op.q) || op.keys.dtype != DType::kBF16 || !has_pages || op.q.dim(0) == 0)
    return false;
  Arguments a = arguments(op.q, op.y, op.keys.dim(1));
  a.page_table = gpu_data<int32_t>(op.page_table), a.row_starts = gpu_data<int32_t>(op.row_starts),
  a.lengths = gpu_data<int32_t>(op.lengths);
  a.page_size = static_cast<int>(page_size), a.pages_each = static_cast<int>(op.page_table.dim(1));
  a.row_tiles = static_cast<int>((op.max_new_tokens + kRows - 1) / kRows);
  a.num_tiles = a.row_tiles * a.num_heads * static_cast<int>(op.lengths.dim(0));
  a.heads_together = heads_together(cuda, a, op.max_length, op.q.dim(2));
  const Maps maps = {rows_map(op.q, kRows), pages_map(op.keys), pages_map(op.values)};
  op.q.dim(2) == 64 ? launch<64, true>(cuda, maps, a) : launch<128, true>(cuda, maps, a);
  return true;
}

}  // namespace poro::cuda
