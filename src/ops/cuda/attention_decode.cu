// Decoding reads the cache once; all else hides behind that. The heads of a group and the new tokens of a
// sequence are up to 16 rows of one product, so that a key/value head is read once for all of them. Each warp
// takes 16 keys at a time with a softmax of its own, and fetches ahead into its own ring: no warp waits for
// another until the end of a split.
//
// A sequence is split (Flash-Decoding, Dao et al., 2023) by its length alone, and the splits are added up in
// one order, four and four and then the fours, so that a sequence's bits do not depend on the others in the
// batch. Who computes the splits does: where the sequences are too few for the GPU, four blocks are a cluster
// and add up their splits out of each other's shared memory, each block a part of the columns; else a block
// takes four splits one after the other. Where a sequence has more than four, the block that finishes last
// adds the fours.
#include <algorithm>
#include <cmath>

#include "ops/cuda/attention_decode.h"
#include "ops/cuda/attention_hopper.cuh"
#include "ops/cuda/fp8.cuh"
#include "ops/cuda/overlap.cuh"

namespace poro::cuda {
namespace {

using namespace hopper;

constexpr int kRows = 16, kUnit = 16;  // Rows of the product; keys a warp takes at a time
constexpr int kWarps = 4, kThreads = kWarps * 32, kTile = kWarps * kUnit;
constexpr int kStages = 2;
constexpr int kBoxBytes = 128;  // Width of a box
constexpr int kSplitTiles = 2;  // Of a split, at least
constexpr int kGroup = 4;       // Splits that are added up first
// Of a (sequence, key/value head). An H200 does not run all clusters of 8 heads with 8 groups at once.
constexpr int kMaxGroups = 7;
constexpr int kMaxCounters = 1 << 17;

// How many groups of each (sequence, key/value head, part of the columns) are done; zero between launches. A
// GPU runs one stream.
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
  Partial* partial;  // (B, K, groups, 16, D / 4)
  int num_heads, num_kv_heads, page_size, pages_each;
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

  template <int D>
  static __device__ void scores(float (&s)[2][4], const uint32_t (&q)[D / 16][4], const std::byte* keys,
                                int lane) {
#pragma unroll
    for (int i = 0; i < D / 16; i += 2) {  // Two of 16 columns by 16 keys
      uint32_t b[4];
      load_matrices(b, chunk_at(keys, lane / 8 % 2 * 8 + lane % 8, i + lane / 16));
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const uint2 key = widen_f8(b[j]);
        multiply(s[j % 2], q[i + j / 2], key.x, key.y);
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
        // A register has two keys of two columns, an even and an odd one.
        const uint2 first = widen_f8(__byte_perm(b[2 * j], 0, 0x3120)),
                    second = widen_f8(__byte_perm(b[2 * j + 1], 0, 0x3120));
        multiply(out[2 * (i + j)], p, first.x, second.x);
        multiply(out[2 * (i + j) + 1], p, first.y, second.y);
      }
    }
  }
};

// Who computes the four splits of a group.
enum class Workers : uint8_t { kCluster, kBlock };

template <class Cache, int D>
struct Shared {
  static constexpr int kUnitBytes = kUnit * D * static_cast<int>(sizeof(typename Cache::Element));
  static constexpr int kBoxes = D * static_cast<int>(sizeof(typename Cache::Element)) / kBoxBytes;
  union {
    std::byte ring[kWarps][kStages][2][kUnitBytes];  // Keys and values
    Partial merged[kRows][D / 4];                    // Of a cluster's block, when its ring has been read
  };
  float sums[kWarps][kRows][D + 4];
  float highest[kWarps][kRows], weight[kWarps][kRows];
  Barrier full[kWarps][kStages];
  bool is_last;
};

template <class Cache, int D, Workers kWorkers>
struct Block {
  using Memory = Shared<Cache, D>;
  static constexpr bool kIsCluster = kWorkers == Workers::kCluster;
  static constexpr int kChunks = D / 4;
  static constexpr int kItems =
      kIsCluster ? 1 : kRows * kChunks / kThreads;  // Of a thread: four columns of a row
  Memory& shared;
  const Maps& maps;
  const Arguments& a;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32,
            splits_group = kIsCluster ? blockIdx.x / kGroup : blockIdx.x,
            rank = kIsCluster ? blockIdx.x % kGroup : 0, kv_head = blockIdx.y, sequence = blockIdx.z;
  const int heads_each = a.num_heads / a.num_kv_heads;
  int first_token = 0, num_tokens = 0, length = 0, tiles = 0, num_splits = 0, num_groups = 0;
  int unit = 0, next_unit = 0, end_unit = 0, stage = 0;  // To be taken, to be asked for
  int asked = 0;                                         // Stages, before the first is taken
  uint32_t parity = 0;
  float out[D / 8][4], highest[2], sum[2];

  __device__ int64_t row_at(int row) const {
    return (static_cast<int64_t>(first_token + row / heads_each) * a.num_heads + kv_head * heads_each +
            row % heads_each) *
           D;
  }
  __device__ int num_rows() const { return num_tokens * heads_each; }
  __device__ int num_items() const { return num_rows() * kChunks; }

  // Which pages are wanted is not known yet, but where their numbers are.
  __device__ void prefetch_pages() {
    const int at = static_cast<int>(threadIdx.x) * 32;
    if (at < a.pages_each)
      asm volatile("prefetch.global.L1 [%0];" ::"l"(a.page_table +
                                                    static_cast<int64_t>(sequence) * a.pages_each + at));
  }

  // The first unit of a split, all warps'.
  __device__ int begin_of(int split) const {
    return static_cast<int>(static_cast<int64_t>(split) * tiles / num_splits) * kWarps;
  }
  __device__ int splits_begin() const { return splits_group * kGroup + rank; }
  __device__ int splits_end() const {
    return min(num_splits, kIsCluster ? splits_begin() + 1 : splits_begin() + kGroup);
  }
  // Of this group.
  __device__ int active() const { return min(kGroup, num_splits - splits_group * kGroup); }

  // Whether there is work for this group.
  __device__ bool plan() {
    prefetch_pages();
    first_token = a.row_starts[sequence];
    num_tokens = a.row_starts[sequence + 1] - first_token;
    length = a.lengths[sequence];
    tiles = (length + kTile - 1) / kTile;
    num_splits = min((tiles + kSplitTiles - 1) / kSplitTiles, kGroup * kMaxGroups);
    num_groups = (num_splits + kGroup - 1) / kGroup;
    if (splits_group >= num_groups || num_tokens == 0) return false;
    if (splits_begin() < splits_end()) {  // Else a block that only helps to add.
      unit = next_unit = begin_of(splits_begin()) + warp;
      end_unit = min(begin_of(splits_end()), (length + kUnit - 1) / kUnit);
    }
    return true;
  }

  // Asks for the next unit, if there is one. One lane.
  __device__ void fetch(int to_stage) {
    if (next_unit >= end_unit) return;
    const int position = next_unit * kUnit;
    next_unit += kWarps;
    const int page = a.page_table[static_cast<int64_t>(sequence) * a.pages_each + position / a.page_size];
    const int row = (page * a.num_kv_heads + kv_head) * a.page_size + position % a.page_size;
    Barrier& full = shared.full[warp][to_stage];
    full.arrive_and_expect(2 * Memory::kUnitBytes);
    for (int i = 0; i < Memory::kBoxes; ++i) {
      const int column = i * (D / Memory::kBoxes);
      load_box(&shared.ring[warp][to_stage][0][i * kUnit * kBoxBytes], maps.k, full, column, row);
      load_box(&shared.ring[warp][to_stage][1][i * kUnit * kBoxBytes], maps.v, full, column, row);
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
                  token = (lane / 4 + i / 2 % 2 * 8) / heads_each;
        if (key >= length - num_tokens + token + 1) s[i / 4][i % 4] = -INFINITY;
      }
    }
    uint32_t p[4];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float top = fmaxf(fmaxf(s[0][2 * r], s[0][2 * r + 1]), fmaxf(s[1][2 * r], s[1][2 * r + 1]));
      top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
      top = fmaxf(highest[r], fmaxf(top, __shfl_xor_sync(~0u, top, 2)));
      const float from = top == -INFINITY ? 0.0f : __fmul_rn(top, a.scale_log2);
      const float kept = exp2_fast(fmaf(highest[r], a.scale_log2, -from));
      highest[r] = top;
      float w[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) w[i] = exp2_fast(fmaf(s[i / 2][2 * r + i % 2], a.scale_log2, -from));
      sum[r] = fmaf(sum[r], kept, (w[0] + w[1]) + (w[2] + w[3]));
      p[r] = Cache::pack(w[0], w[1]), p[2 + r] = Cache::pack(w[2], w[3]);
#pragma unroll
      for (int j = 0; j < D / 8; ++j) out[j][2 * r] *= kept, out[j][2 * r + 1] *= kept;
    }
    Cache::template add<D>(out, p, values, lane);
  }

  // The units of a split that are this warp's.
  __device__ void walk(const uint32_t (&q)[D / 16][4], int split_end) {
#pragma unroll
    for (int j = 0; j < D / 8; ++j) out[j][0] = out[j][1] = out[j][2] = out[j][3] = 0;
    highest[0] = highest[1] = -INFINITY, sum[0] = sum[1] = 0;
    for (; unit < split_end; unit += kWarps) {
      shared.full[warp][stage].wait(parity);
      take(shared.ring[warp][stage][0], shared.ring[warp][stage][1], q, unit * kUnit);
      __syncwarp();
      if (lane == 0) fetch(stage);
      if (++stage == kStages) stage = 0, parity ^= 1;
    }
  }

  // The warps' sums side by side in shared memory.
  __device__ void share() {
    __syncthreads();  // Those of the last split have been read.
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int row = lane / 4 + 8 * r;
      float total = sum[r];
      total += __shfl_xor_sync(~0u, total, 1);
      total += __shfl_xor_sync(~0u, total, 2);
      if (row >= num_rows()) continue;
      if (lane % 4 == 0)
        shared.highest[warp][row] = highest[r] * a.scale_log2, shared.weight[warp][row] = total;
#pragma unroll
      for (int j = 0; j < D / 8; ++j)
#pragma unroll
        for (int c = 0; c < 2; ++c) shared.sums[warp][row][Cache::column(j, c, lane % 4)] = out[j][2 * r + c];
    }
    __syncthreads();
  }

  // sum + next. What is rounded when is written out, for the same bits in all kernels.
  static __device__ Partial add(const Partial& sum, const Partial& next) {
    const float top = fmaxf(sum.top, next.top), from = top == -INFINITY ? 0.0f : top;
    const float left = exp2_fast(sum.top - from), right = exp2_fast(next.top - from);
    const auto weighed = [&](float a, float b) { return fmaf(left, a, __fmul_rn(right, b)); };
    return {.value = {weighed(sum.value.x, next.value.x), weighed(sum.value.y, next.value.y),
                      weighed(sum.value.z, next.value.z), weighed(sum.value.w, next.value.w)},
            .top = top,
            .total = weighed(sum.total, next.total),
            .unused = {}};
  }

  // Four columns of the warps added up.
  __device__ Partial merged(int item) const {
    const int row = item / kChunks, chunk = item % kChunks;
    const auto of_warp = [&](int w) {
      return Partial{.value = *reinterpret_cast<const float4*>(&shared.sums[w][row][4 * chunk]),
                     .top = shared.highest[w][row],
                     .total = shared.weight[w][row],
                     .unused = {}};
    };
    Partial all = of_warp(0);
#pragma unroll
    for (int w = 1; w < kWarps; ++w) all = add(all, of_warp(w));
    return all;
  }

  __device__ void store(int item, const Partial& all) {
    const float inverse = 1.0f / all.total;
    const uint2 packed = {pack_bf16(all.value.x * inverse, all.value.y * inverse),
                          pack_bf16(all.value.z * inverse, all.value.w * inverse)};
    *reinterpret_cast<uint2*>(a.y + row_at(item / kChunks) + item % kChunks * 4) = packed;
  }

  __device__ Partial* partial_at(int of_group, int item) const {
    return a.partial +
           (static_cast<int64_t>(sequence * a.num_kv_heads + kv_head) * kMaxGroups + of_group) *
               (kRows * kChunks) +
           item;
  }

  // The same object in the shared memory of another block of the cluster.
  static __device__ const Partial* of_block(const Partial* mine, int block) {
    uint64_t theirs;
    asm("mapa.u64 %0, %1, %2;" : "=l"(theirs) : "l"(mine), "r"(block));
    return reinterpret_cast<const Partial*>(theirs);
  }
  static __device__ void sync_cluster() {
    arrive_at_cluster();
    wait_for_cluster();
  }

  // This thread's items: those of this block's part of the columns, or of all.
  __device__ int item_at(int i) const {
    const int each = (num_items() + kGroup - 1) / kGroup;  // 128 at most
    const int place = static_cast<int>(threadIdx.x) + i * kThreads;
    if constexpr (!kIsCluster) return place;
    return place < each ? rank * each + place : num_items();
  }

  // The group's splits added up, each by a block.
  __device__ void add_cluster(const uint32_t (&q)[D / 16][4], Partial (&all)[kItems]) {
    walk(q, end_unit);
    share();
    for (int item = static_cast<int>(threadIdx.x); item < num_items(); item += kThreads)
      (&shared.merged[0][0])[item] = merged(item);
    sync_cluster();
    const int item = item_at(0);
    if (item < num_items()) {
      const Partial* mine = &shared.merged[0][0] + item;
      Partial parts[kGroup];
#pragma unroll
      for (int i = 0; i < kGroup; ++i)
        if (i < active()) parts[i] = *of_block(mine, i);
      all[0] = parts[0];
#pragma unroll
      for (int i = 1; i < kGroup; ++i)
        if (i < active()) all[0] = add(all[0], parts[i]);
    }
    sync_cluster();  // Nobody leaves while others read its memory.
  }

  // The same by this block alone.
  __device__ void add_splits(const uint32_t (&q)[D / 16][4], Partial (&all)[kItems]) {
    for (int split = splits_begin(); split < splits_end(); ++split) {
      walk(q, min(end_unit, begin_of(split + 1)));
      share();
#pragma unroll
      for (int i = 0; i < kItems; ++i)
        if (item_at(i) < num_items()) {
          const Partial next = merged(item_at(i));
          all[i] = split == splits_begin() ? next : add(all[i], next);
        }
    }
  }

  // Whether all groups' sums are in memory, this block's among them.
  __device__ bool is_last_group() {
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
      unsigned& counter = counters[(sequence * a.num_kv_heads + kv_head) * kGroup + rank];
      shared.is_last = atomicAdd(&counter, 1u) == static_cast<unsigned>(num_groups) - 1;
      if (shared.is_last) counter = 0;
    }
    __syncthreads();
    __threadfence();
    return shared.is_last;
  }

  // Asks for the first keys and values, as far as no kernel ahead of this one writes them; run() asks for the
  // rest.
  __device__ void ask_for_old_units() {
    if (lane == 0)
      while (asked < kStages && next_unit < end_unit && (next_unit + 1) * kUnit <= length - num_tokens)
        fetch(asked++);
  }

  __device__ void run() {
    if (lane == 0)
      for (; asked < kStages; ++asked) fetch(asked);
    uint32_t q[D / 16][4];
    load_q(q);
    Partial all[kItems];
    if constexpr (kIsCluster)
      add_cluster(q, all);
    else
      add_splits(q, all);
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      if (item_at(i) >= num_items()) continue;
      if (num_groups == 1)
        store(item_at(i), all[i]);
      else
        *partial_at(splits_group, item_at(i)) = all[i];
    }
    if (num_groups == 1 || !is_last_group()) return;
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      if (item_at(i) >= num_items()) continue;
      const auto of_group = [&](int g) {
        const float4* from = reinterpret_cast<const float4*>(partial_at(g, item_at(i)));
        const float4 value = __ldcg(from), state = __ldcg(from + 1);
        return Partial{.value = value, .top = state.x, .total = state.y, .unused = {}};
      };
      Partial of_all = of_group(0);
#pragma unroll 4
      for (int g = 1; g < num_groups; ++g) of_all = add(of_all, of_group(g));
      store(item_at(i), of_all);
    }
  }
};

template <class Cache, int D, Workers kWorkers>
__global__ void __launch_bounds__(kThreads, 2)
    decode(const __grid_constant__ Maps maps, const __grid_constant__ Arguments a) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) std::byte memory[];
  auto& shared = *reinterpret_cast<Shared<Cache, D>*>(memory);
  let_next_kernel_start();
  if (threadIdx.x % 32 == 0)
    for (int i = 0; i < kStages; ++i) shared.full[threadIdx.x / 32][i].init(1);
  fence_barrier_init();
  __syncwarp();  // A warp's barriers are its own.
  Block<Cache, D, kWorkers> block{.shared = shared, .maps = maps, .a = a};
  // Lengths and pages come from the host, before the first kernel of a step.
  const bool has_work = block.plan();
  if (has_work) block.ask_for_old_units();
  wait_for_previous_kernel();
  if (has_work) block.run();
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

template <class Cache, int D, Workers kWorkers>
void launch_for(Cuda& cuda, const Arguments& a, const Maps& maps, const dim3& blocks) {
  constexpr int kBytes = sizeof(Shared<Cache, D>);
  CUDA_CHECK(
      cudaFuncSetAttribute(decode<Cache, D, kWorkers>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes));
  launch(cuda, decode<Cache, D, kWorkers>, Overlap::kPrevious,
         {.blocks = blocks,
          .threads = kThreads,
          .shared_bytes = kBytes,
          .cluster = kWorkers == Workers::kCluster ? kGroup : 1},
         maps, a);
}

template <class Cache, int D>
void launch_decode(Cuda& cuda, const CachedAttention& op, const Arguments& a) {
  const Maps maps = {units_map(op.keys), units_map(op.values)};
  const int64_t splits = (op.max_length + kTile * kSplitTiles - 1) / (kTile * kSplitTiles);
  const unsigned groups = static_cast<unsigned>(
                     std::clamp<int64_t>((splits + kGroup - 1) / kGroup, 1, kMaxGroups)),
                 kv_heads = static_cast<unsigned>(a.num_kv_heads),
                 sequences = static_cast<unsigned>(op.lengths.dim(0));
  if (groups * kv_heads * sequences < static_cast<unsigned>(cuda.state().num_multiprocessors()))
    launch_for<Cache, D, Workers::kCluster>(cuda, a, maps, dim3(groups * kGroup, kv_heads, sequences));
  else
    launch_for<Cache, D, Workers::kBlock>(cuda, a, maps, dim3(groups, kv_heads, sequences));
}

}  // namespace

bool decode_attention(Cuda& cuda, const CachedAttention& op) {
  const int64_t num_heads = op.q.dim(1), num_kv_heads = op.keys.dim(1), head_dim = op.q.dim(2),
                num_sequences = op.lengths.dim(0);
  const bool is_bf16 = op.keys.dtype == DType::kBF16 && (head_dim == 64 || head_dim == 128);
  const bool is_fp8 = op.keys.dtype == DType::kF8 && head_dim == 128;
  if (!is_hopper(cuda) || op.q.dtype != DType::kBF16 || !(is_bf16 || is_fp8)) return false;
  if (op.keys.dim(2) % kUnit != 0 || op.max_new_tokens * (num_heads / num_kv_heads) > kRows) return false;
  if (op.q.dim(0) == 0 || num_sequences * num_kv_heads * kGroup > kMaxCounters) return false;
  Arguments a = {};
  a.q = gpu_data<__nv_bfloat16>(op.q), a.y = gpu_data<__nv_bfloat16>(op.y);
  a.page_table = gpu_data<int32_t>(op.page_table), a.row_starts = gpu_data<int32_t>(op.row_starts),
  a.lengths = gpu_data<int32_t>(op.lengths);
  a.num_heads = static_cast<int>(num_heads), a.num_kv_heads = static_cast<int>(num_kv_heads);
  a.page_size = static_cast<int>(op.keys.dim(2)), a.pages_each = static_cast<int>(op.page_table.dim(1));
  a.scale_log2 = static_cast<float>(std::log2(std::exp(1.0)) / std::sqrt(static_cast<double>(head_dim)));
  a.partial = reinterpret_cast<Partial*>(
      cuda.scratch(sizeof(Partial) *
                   static_cast<size_t>(num_sequences * num_kv_heads * kMaxGroups * kRows * head_dim / 4)));
  if (is_fp8)
    launch_decode<Fp8Cache, 128>(cuda, op, a);
  else if (head_dim == 64)
    launch_decode<Bf16Cache, 64>(cuda, op, a);
  else
    launch_decode<Bf16Cache, 128>(cuda, op, a);
  return true;
}

}  // namespace poro::cuda
