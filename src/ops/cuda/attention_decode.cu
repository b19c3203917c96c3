// Decoding reads the cache once; all else hides behind that. The heads of a group and the new tokens of a
// sequence are up to 16 rows of one product, so that a key/value head is read once for all of them. A
// sequence is split over blocks (Flash-Decoding, Dao et al., 2023), by its length alone, so that a sequence's
// bits do not depend on the others in the batch. Each warp takes 16 keys at a time with a softmax of its own,
// and fetches ahead into its own ring: no warp waits for another until the end. Eight blocks are a cluster
// and add up their splits out of each other's shared memory, each block a part of the columns; where a
// sequence has several clusters, the one that finishes last adds those, in order.
#include <algorithm>
#include <cmath>

#include "ops/cuda/attention_decode.h"
#include "ops/cuda/attention_hopper.cuh"

namespace poro::cuda {
namespace {

using namespace hopper;

constexpr int kRows = 16, kUnit = 16;  // Rows of the product; keys a warp takes at a time
constexpr int kWarps = 4, kThreads = kWarps * 32, kTile = kWarps * kUnit;
constexpr int kStages = 3;
constexpr int kBoxBytes = 128;  // Width of a box
constexpr int kCluster = 8,
              kMaxClusters = 4;  // Blocks in a cluster, clusters of a (sequence, key/value head)
constexpr int kMaxCounters = 1 << 17;

// How many clusters of each (sequence, key/value head, part of the columns) are done; zero between launches.
// A GPU runs one stream.
__device__ unsigned counters[kMaxCounters];

// Four columns of a row added up over some of the keys: weights are 2^(score - top).
struct Partial {
  float4 value;
  float top, total, unused[2];
};

struct Arguments {
  const __nv_bfloat16* q;
  __nv_bfloat16* y;
  const int32_t *page_table, *row_starts, *lengths;
  Partial* partial;  // (B, K, clusters, 16, D / 4)
  int num_heads, num_kv_heads, page_size, pages_each, max_splits;
  float scale_log2;
};

struct Maps {
  CUtensorMap k, v;
};

__device__ void load_matrices(uint32_t (&to)[4], const void* from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(from))
               : "memory");
}
__device__ void load_transposed(uint32_t (&to)[4], const void* from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(from))
               : "memory");
}

// Where 16 bytes of a row of a box lie: the copy engine's 128-byte swizzle.
__device__ const std::byte* chunk_at(const std::byte* unit, int row, int chunk) {
  return unit + chunk / 8 * (kUnit * kBoxBytes) + row * kBoxBytes + ((chunk % 8) ^ (row % 8)) * 16;
}

// The cache's element type: how products are made of it. d(16 x 8) += a(16 x 16) b(16 x 8).
struct Bf16Cache {
  using Element = __nv_bfloat16;

  static __device__ uint32_t pack(float low, float high) { return pack_bf16(low, high); }
  static __device__ void multiply(float (&d)[4], const uint32_t* a, uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
  // Columns of q in the first and second half of a thread's share of 16: {2 t, 2 t + 1}, {2 t + 8, 2 t + 9}.
  static __device__ int q_column(int half, int t) { return 2 * t + 8 * half; }
  // Columns of the sums, of register c of n-tile j: 8 columns a tile.
  static __device__ int column(int j, int c, int t) { return 8 * j + 2 * t + c % 2; }

  template <int D>
  static __device__ void scores(float (&s)[2][4], const uint32_t (&q)[D / 16][4], const std::byte* keys,
                                int lane) {
#pragma unroll
    for (int i = 0; i < D / 16; ++i) {
      uint32_t b[4];
      load_matrices(b, chunk_at(keys, lane / 16 * 8 + lane % 8, 2 * i + lane / 8 % 2));
      multiply(s[0], q[i], b[0], b[1]);
      multiply(s[1], q[i], b[2], b[3]);
    }
  }
  template <int D>
  static __device__ void add(float (&out)[D / 8][4], const uint32_t (&p)[4], const std::byte* values,
                             int lane) {
#pragma unroll
    for (int i = 0; i < D / 16; ++i) {
      uint32_t b[4];
      load_transposed(b, chunk_at(values, lane / 8 % 2 * 8 + lane % 8, 2 * i + lane / 16));
      multiply(out[2 * i], p, b[0], b[1]);
      multiply(out[2 * i + 1], p, b[2], b[3]);
    }
  }
};

// Eight bits become f16 in registers. A thread's 32 bits are four neighbours, so columns are taken in another
// order: within 16 columns, thread t of a row has 4 t to 4 t + 3.
struct Fp8Cache {
  using Element = __nv_fp8_e4m3;

  static __device__ uint32_t pack(float low, float high) {
    uint32_t result;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
    return result;
  }
  static __device__ void multiply(float (&d)[4], const uint32_t* a, uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
  static __device__ int q_column(int half, int t) { return 4 * t + 2 * half; }
  static __device__ int column(int j, int c, int t) { return 16 * (j / 2) + 4 * t + 2 * (c % 2) + j % 2; }
  static __device__ void widen(uint32_t four, uint32_t& low, uint32_t& high) {
    const auto pair = [](uint32_t two) {
      const __half2_raw half = __nv_cvt_fp8x2_to_halfraw2(static_cast<__nv_fp8x2_storage_t>(two), __NV_E4M3);
      return uint32_t{half.x} | uint32_t{half.y} << 16;
    };
    low = pair(four & 0xffffu);
    high = pair(four >> 16);
  }

  template <int D>
  static __device__ void scores(float (&s)[2][4], const uint32_t (&q)[D / 16][4], const std::byte* keys,
                                int lane) {
#pragma unroll
    for (int i = 0; i < D / 16; i += 2) {  // Two of 16 columns by 16 keys
      uint32_t b[4], low, high;
      load_matrices(b, chunk_at(keys, lane / 8 % 2 * 8 + lane % 8, i + lane / 16));
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        widen(b[j], low, high);
        multiply(s[j % 2], q[i + j / 2], low, high);
      }
    }
  }
  template <int D>
  static __device__ void add(float (&out)[D / 8][4], const uint32_t (&p)[4], const std::byte* values,
                             int lane) {
#pragma unroll
    for (int i = 0; i < D / 16; i += 2) {
      uint32_t b[4];
      load_transposed(b, chunk_at(values, lane / 8 % 2 * 8 + lane % 8, i + lane / 16));
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        uint32_t even[2], odd[2];  // Columns; a register has two keys of two columns
        widen(__byte_perm(b[2 * j], 0, 0x3120), even[0], odd[0]);
        widen(__byte_perm(b[2 * j + 1], 0, 0x3120), even[1], odd[1]);
        multiply(out[2 * (i + j)], p, even[0], even[1]);
        multiply(out[2 * (i + j) + 1], p, odd[0], odd[1]);
      }
    }
  }
};

template <class Cache, int D>
struct Shared {
  static constexpr int kUnitBytes = kUnit * D * static_cast<int>(sizeof(typename Cache::Element));
  static constexpr int kBoxes = D * static_cast<int>(sizeof(typename Cache::Element)) / kBoxBytes;
  union {
    std::byte ring[kWarps][kStages][2][kUnitBytes];  // Keys and values
    struct {
      float sums[kWarps][kRows][D + 4];
      Partial merged[kRows][D / 4];
    };
  };
  float highest[kWarps][kRows], weight[kWarps][kRows];
  Barrier full[kWarps][kStages];
  bool is_last;
};

template <class Cache, int D>
struct Block {
  using Memory = Shared<Cache, D>;
  Memory& shared;
  const Maps& maps;
  const Arguments& a;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, split = blockIdx.x, cluster = split / kCluster,
            rank = split % kCluster, kv_head = blockIdx.y, sequence = blockIdx.z;
  static constexpr int kChunks = D / 4;
  const int group = a.num_heads / a.num_kv_heads;
  int first_token = 0, num_tokens = 0, length = 0, num_splits = 0, num_clusters = 0, unit = 0, end_unit = 0;
  float out[D / 8][4] = {}, highest[2] = {-INFINITY, -INFINITY}, sum[2] = {};

  __device__ int64_t row_at(int row) const {
    return (static_cast<int64_t>(first_token + row / group) * a.num_heads + kv_head * group + row % group) *
           D;
  }
  __device__ int num_rows() const { return num_tokens * group; }

  // Which pages are wanted is not known yet, but where their numbers are.
  __device__ void prefetch_pages() {
    const int at = static_cast<int>(threadIdx.x) * 32;
    if (at < a.pages_each)
      asm volatile("prefetch.global.L1 [%0];" ::"l"(a.page_table +
                                                    static_cast<int64_t>(sequence) * a.pages_each + at));
  }

  // Whether there is work for this cluster.
  __device__ bool plan() {
    prefetch_pages();
    first_token = a.row_starts[sequence];
    num_tokens = a.row_starts[sequence + 1] - first_token;
    length = a.lengths[sequence];
    const int tiles = (length + kTile - 1) / kTile;
    num_splits = min(tiles, a.max_splits), num_clusters = (num_splits + kCluster - 1) / kCluster;
    if (cluster >= num_clusters || num_tokens == 0) return false;
    if (split < num_splits) {  // Else a block that only helps to add.
      unit = split * tiles / num_splits * kWarps + warp;
      end_unit = min((split + 1) * tiles / num_splits * kWarps, (length + kUnit - 1) / kUnit);
    }
    return true;
  }

  __device__ void fetch(int stage, int u) {  // One lane
    const int position = u * kUnit;
    const int page = a.page_table[static_cast<int64_t>(sequence) * a.pages_each + position / a.page_size];
    const int row = (page * a.num_kv_heads + kv_head) * a.page_size + position % a.page_size;
    Barrier& full = shared.full[warp][stage];
    full.arrive_and_expect(2 * Memory::kUnitBytes);
    for (int i = 0; i < Memory::kBoxes; ++i) {
      const int column = i * (D / Memory::kBoxes);
      load_box(&shared.ring[warp][stage][0][i * kUnit * kBoxBytes], maps.k, full, column, row);
      load_box(&shared.ring[warp][stage][1][i * kUnit * kBoxBytes], maps.v, full, column, row);
    }
  }

  __device__ void load_q(uint32_t (&q)[D / 16][4]) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int row = lane / 4 + 8 * r;
      const __nv_bfloat16* from = a.q + row_at(row);
#pragma unroll
      for (int i = 0; i < D / 16; ++i)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          float2 pair = {0, 0};
          if (row < num_rows())
            pair = __bfloat1622float2(
                *reinterpret_cast<const __nv_bfloat162*>(from + 16 * i + Cache::q_column(half, lane % 4)));
          q[i][2 * half + r] = Cache::pack(pair.x, pair.y);
        }
    }
  }

  // Pages hold what earlier sequences left, or nothing yet: 0 * NaN must not reach the sums.
  __device__ void clear_unused_values(std::byte* values, int used) {
    for (int i = lane; i < (kUnit - used) * Memory::kBoxes * 8; i += 32) {
      const int row = used + i / (Memory::kBoxes * 8), chunk = i % (Memory::kBoxes * 8);
      *reinterpret_cast<uint4*>(const_cast<std::byte*>(chunk_at(values, row, chunk))) = uint4{0, 0, 0, 0};
    }
    __syncwarp();
  }

  __device__ void take(std::byte* keys, std::byte* values, const uint32_t (&q)[D / 16][4], int position) {
    float s[2][4] = {};
    Cache::template scores<D>(s, q, keys, lane);
    if (position + kUnit > length) clear_unused_values(values, length - position);
    if (position + kUnit > length - num_tokens + 1) {
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const int key = position + i / 4 * 8 + lane % 4 * 2 + i % 2,
                  token = (lane / 4 + i / 2 % 2 * 8) / group;
        if (key >= length - num_tokens + token + 1) s[i / 4][i % 4] = -INFINITY;
      }
    }
    uint32_t p[4];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float top = fmaxf(fmaxf(s[0][2 * r], s[0][2 * r + 1]), fmaxf(s[1][2 * r], s[1][2 * r + 1]));
      top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
      top = fmaxf(highest[r], fmaxf(top, __shfl_xor_sync(~0u, top, 2)));
      const float from = top == -INFINITY ? 0.0f : top * a.scale_log2;
      const float kept = exp2_fast(highest[r] * a.scale_log2 - from);
      highest[r] = top;
      float w[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) w[i] = exp2_fast(fmaf(s[i / 2][2 * r + i % 2], a.scale_log2, -from));
      sum[r] = sum[r] * kept + (w[0] + w[1]) + (w[2] + w[3]);
      p[r] = Cache::pack(w[0], w[1]), p[2 + r] = Cache::pack(w[2], w[3]);
#pragma unroll
      for (int j = 0; j < D / 8; ++j) out[j][2 * r] *= kept, out[j][2 * r + 1] *= kept;
    }
    Cache::template add<D>(out, p, values, lane);
  }

  __device__ void walk() {
    if (lane == 0)
      for (int i = 0; i < kStages && unit + i * kWarps < end_unit; ++i) fetch(i, unit + i * kWarps);
    uint32_t q[D / 16][4];
    load_q(q);
    int stage = 0;
    uint32_t parity = 0;
    for (; unit < end_unit; unit += kWarps) {
      shared.full[warp][stage].wait(parity);
      take(shared.ring[warp][stage][0], shared.ring[warp][stage][1], q, unit * kUnit);
      __syncwarp();
      if (lane == 0 && unit + kStages * kWarps < end_unit) fetch(stage, unit + kStages * kWarps);
      if (++stage == kStages) stage = 0, parity ^= 1;
    }
  }

  // The warps' sums side by side in shared memory.
  __device__ void share() {
    __syncthreads();  // The ring is free.
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int row = lane / 4 + 8 * r;
      float total = sum[r];
      total += __shfl_xor_sync(~0u, total, 1);
      total += __shfl_xor_sync(~0u, total, 2);
      if (lane % 4 == 0) shared.highest[warp][row] = highest[r], shared.weight[warp][row] = total;
#pragma unroll
      for (int j = 0; j < D / 8; ++j)
#pragma unroll
        for (int c = 0; c < 2; ++c) shared.sums[warp][row][Cache::column(j, c, lane % 4)] = out[j][2 * r + c];
    }
    __syncthreads();
  }

  // The warps added up.
  __device__ void merge_warps() {
    for (int item = static_cast<int>(threadIdx.x); item < num_rows() * kChunks; item += kThreads) {
      const int row = item / kChunks, chunk = item % kChunks;
      shared.merged[row][chunk] = add_up(kWarps, [&](int w) {
        const float top = shared.highest[w][row] * a.scale_log2;
        return Partial{.value = *reinterpret_cast<const float4*>(&shared.sums[w][row][4 * chunk]),
                       .top = top,
                       .total = shared.weight[w][row],
                       .unused = {}};
      });
    }
  }

  // count > 0 parts in order.
  template <class Part>
  static __device__ Partial add_up(int count, const Part& part) {
    Partial sum = part(0);
    for (int i = 1; i < count; ++i) {
      const Partial next = part(i);
      const float top = fmaxf(sum.top, next.top), from = top == -INFINITY ? 0.0f : top;
      const float left = exp2_fast(sum.top - from), right = exp2_fast(next.top - from);
      sum.top = top, sum.total = left * sum.total + right * next.total;
      sum.value.x = left * sum.value.x + right * next.value.x,
      sum.value.y = left * sum.value.y + right * next.value.y;
      sum.value.z = left * sum.value.z + right * next.value.z,
      sum.value.w = left * sum.value.w + right * next.value.w;
    }
    return sum;
  }

  __device__ void store(int item, const Partial& sum) {
    const float inverse = 1.0f / sum.total;
    const uint2 packed = {pack_bf16(sum.value.x * inverse, sum.value.y * inverse),
                          pack_bf16(sum.value.z * inverse, sum.value.w * inverse)};
    *reinterpret_cast<uint2*>(a.y + row_at(item / kChunks) + item % kChunks * 4) = packed;
  }

  __device__ Partial* partial_at(int c, int item) const {
    return a.partial +
           (static_cast<int64_t>(sequence * a.num_kv_heads + kv_head) * kMaxClusters + c) *
               (kRows * kChunks) +
           item;
  }

  // This block's part of the columns, of all blocks of the cluster.
  __device__ void add_cluster() {
    const int active = min(kCluster, num_splits - cluster * kCluster), items = num_rows() * kChunks,
              each = (items + kCluster - 1) / kCluster;
    const int item = rank * each + static_cast<int>(threadIdx.x),
              end = min((rank + 1) * each, items);  // `each` is 64 at most.
    if (item < end) {
      const Partial* mine = &shared.merged[0][0] + item;
      Partial parts[kCluster];
#pragma unroll
      for (int i = 0; i < kCluster; ++i)
        if (i < active) parts[i] = *of_block(mine, i);
      Partial sum = parts[0];
#pragma unroll
      for (int i = 1; i < kCluster; ++i)
        if (i < active) sum = add_up(2, [&](int j) { return j == 0 ? sum : parts[i]; });
      if (num_clusters == 1)
        store(item, sum);
      else
        *partial_at(cluster, item) = sum;
    }
    if (num_clusters == 1) return;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
      unsigned& counter = counters[(sequence * a.num_kv_heads + kv_head) * kCluster + rank];
      shared.is_last = atomicAdd(&counter, 1u) == static_cast<unsigned>(num_clusters) - 1;
      if (shared.is_last) counter = 0;
    }
    __syncthreads();
    if (!shared.is_last || item >= end) return;
    __threadfence();
    store(item, add_up(num_clusters, [&](int c) {
            const float4* from = reinterpret_cast<const float4*>(partial_at(c, item));
            const float4 value = __ldcg(from), state = __ldcg(from + 1);
            return Partial{.value = value, .top = state.x, .total = state.y, .unused = {}};
          }));
  }

  // The same object in the shared memory of another block of the cluster.
  static __device__ const Partial* of_block(const Partial* mine, int block) {
    uint64_t theirs;
    asm("mapa.u64 %0, %1, %2;" : "=l"(theirs) : "l"(mine), "r"(block));
    return reinterpret_cast<const Partial*>(theirs);
  }
  static __device__ void sync_cluster() {
    asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;" ::: "memory");
  }

  __device__ void run() {
    if (num_splits == 1 && rank > 0) return;
    walk();
    share();
    merge_warps();
    if (num_splits == 1) {
      for (int item = static_cast<int>(threadIdx.x); item < num_rows() * kChunks; item += kThreads)
        store(item, shared.merged[item / kChunks][item % kChunks]);
      return;
    }
    sync_cluster();
    add_cluster();
    sync_cluster();  // Nobody leaves while others read its memory.
  }
};

template <class Cache, int D>
__global__ void __launch_bounds__(kThreads, 2)
    decode(const __grid_constant__ Maps maps, const __grid_constant__ Arguments a) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) std::byte memory[];
  auto& shared = *reinterpret_cast<Shared<Cache, D>*>(memory);
  asm volatile("griddepcontrol.launch_dependents;");
  if (threadIdx.x % 32 == 0)
    for (int i = 0; i < kStages; ++i) shared.full[threadIdx.x / 32][i].init(1);
  fence_barrier_init();
  __syncwarp();  // A warp's barriers are its own.
  asm volatile("griddepcontrol.wait;" ::: "memory");
  Block<Cache, D> block{.shared = shared, .maps = maps, .a = a};
  if (block.plan()) block.run();
#endif
}

// (P, K, S, D) as boxes of 128 bytes by 16 positions.
CUtensorMap units_map(const Tensor& tensor) {
  const uint64_t bytes = static_cast<uint64_t>(dtype_bits(tensor.dtype)) / 8,
                 D = static_cast<uint64_t>(tensor.dim(3));
  const uint64_t dims[] = {D, static_cast<uint64_t>(tensor.elements()) / D}, strides[] = {bytes * D};
  const uint32_t box[] = {static_cast<uint32_t>(kBoxBytes / bytes), kUnit};
  return tensor_map(tensor.data,
                    {.dims = dims, .strides = strides, .box = box, .element_bytes = static_cast<int>(bytes)});
}

template <class Cache, int D>
void launch(Cuda& cuda, const CachedAttention& op, const Arguments& a) {
  const Maps maps = {units_map(op.keys), units_map(op.values)};
  constexpr int kBytes = sizeof(Shared<Cache, D>);
  CUDA_CHECK(cudaFuncSetAttribute(decode<Cache, D>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes));
  const int64_t splits = std::min<int64_t>(a.max_splits, (op.max_length + kTile - 1) / kTile);
  cudaLaunchAttribute attributes[2] = {};
  attributes[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[0].val.programmaticStreamSerializationAllowed = 1;
  attributes[1].id = cudaLaunchAttributeClusterDimension;
  attributes[1].val.clusterDim = {kCluster, 1, 1};
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned>((splits + kCluster - 1) / kCluster * kCluster),
                        static_cast<unsigned>(a.num_kv_heads), static_cast<unsigned>(op.lengths.dim(0)));
  config.blockDim = dim3(kThreads);
  config.dynamicSmemBytes = kBytes;
  config.stream = cuda.state().stream;
  config.attrs = attributes, config.numAttrs = 2;
  CUDA_CHECK(cudaLaunchKernelEx(&config, decode<Cache, D>, maps, a));
}

}  // namespace

bool decode_attention(Cuda& cuda, const CachedAttention& op) {
  const int64_t num_heads = op.q.dim(1), num_kv_heads = op.keys.dim(1), head_dim = op.q.dim(2),
                num_sequences = op.lengths.dim(0);
  const bool is_bf16 = op.keys.dtype == DType::kBF16 && (head_dim == 64 || head_dim == 128);
  const bool is_fp8 = op.keys.dtype == DType::kF8 && head_dim == 128;
  if (!is_hopper(cuda) || op.q.dtype != DType::kBF16 || !(is_bf16 || is_fp8)) return false;
  if (op.keys.dim(2) % kUnit != 0 || op.max_new_tokens * (num_heads / num_kv_heads) > kRows) return false;
  if (op.q.dim(0) == 0 || num_sequences * num_kv_heads * kCluster > kMaxCounters) return false;
  Arguments a = {};
  a.q = gpu_data<__nv_bfloat16>(op.q), a.y = gpu_data<__nv_bfloat16>(op.y);
  a.page_table = gpu_data<int32_t>(op.page_table), a.row_starts = gpu_data<int32_t>(op.row_starts),
  a.lengths = gpu_data<int32_t>(op.lengths);
  a.num_heads = static_cast<int>(num_heads), a.num_kv_heads = static_cast<int>(num_kv_heads);
  a.page_size = static_cast<int>(op.keys.dim(2)), a.pages_each = static_cast<int>(op.page_table.dim(1));
  // Two blocks on a multiprocessor for one sequence.
  a.max_splits =
      std::clamp(2 * cuda.state().num_multiprocessors() / a.num_kv_heads / kCluster, 1, kMaxClusters) *
      kCluster;
  a.scale_log2 = static_cast<float>(std::log2(std::exp(1.0)) / std::sqrt(static_cast<double>(head_dim)));
  a.partial = reinterpret_cast<Partial*>(
      cuda.scratch(sizeof(Partial) *
                   static_cast<size_t>(num_sequences * num_kv_heads * kMaxClusters * kRows * head_dim / 4)));
  if (is_fp8)
    launch<Fp8Cache, 128>(cuda, op, a);
  else if (head_dim == 64)
    launch<Bf16Cache, 64>(cuda, op, a);
  else
    launch<Bf16Cache, 128>(cuda, op, a);
  return true;
}

}  // namespace poro::cuda
