// Up to 64 rows times a large matrix, where the matrix's bytes are all that counts. Weights are the first
// operand of `wgmma`, 64 of them at a time, and the rows are its columns; both come through a ring in shared
// memory by the copy engine. A tile is two times 64 rows of weights, "low" and "high", which may lie
// anywhere: a thread ends up with both sums for the same place in them.
//
// Four or eight blocks are a cluster. Each takes its part of the columns of every tile of the cluster, and
// hands each block a part of the sums, which that block adds up in order: in shared memory, because on the
// way through the GPU's memory the last sums of a product took as long as a third of a small product. What a
// product does with its sums (residual, rotation and cache, gate) is its Work's.
//
// Launches overlap: a block fills its ring with weights while the kernel before it still runs, and two blocks
// fit on a multiprocessor. Only products with many tiles for each cluster do better with a longer ring.
#pragma once

#include <algorithm>

#include "ops/cuda/hopper.cuh"
#include "ops/cuda/overlap.cuh"

namespace poro::batch_rows {

using namespace cuda::hopper;

constexpr int kHalfRows = 64, kTileRows = 2 * kHalfRows;
constexpr int kColumns = 64;  // Of a step: 128 bytes of each row
constexpr int kHalfBytes = kHalfRows * 128;
constexpr int kWarps = 4, kConsumers = kWarps * 32, kThreads = kConsumers + 32;
constexpr int kMostAtOnce = 32;  // Rows of x whose sums are exchanged at a time

// 64 rows of one of a Work's matrices.
struct HalfTile {
  int matrix, row;
};

// What all products share. A Work begins with it and has kRoom; low(tile) and high(tile); kTableRow bytes of
// shared memory for each row of x, which prepare(table) fills with what does not depend on other kernels;
// load(place), what it needs of memory to finish that place; and store(place, sums, loaded, table).
struct Shared {
  CUtensorMap weights[3];  // Up to three matrices
  CUtensorMap x;
  int tiles, steps;  // Of all clusters; of a tile
  int rows;          // Of x
};

// Row `row` of the halves of a tile, and two rows of x.
struct Place {
  int tile, row, token;
};
struct Sums {
  float low[2], high[2];  // Of the two rows of x
};

// Bytes of shared memory: all of a multiprocessor's, or so that two blocks fit.
constexpr int kWholeRoom = 232'400, kHalfRoom = 115'700;

template <int N, int kCluster, class Work>
struct Memory {
  static constexpr int kAtOnce = N < kMostAtOnce ? N : kMostAtOnce;
  static constexpr int kSlots = kAtOnce / 8 * 8 / kCluster;  // Of 32 lanes, that a block adds up at a time
  static constexpr int kStageBytes = 2 * kHalfBytes + N * 128,
                       kOtherBytes = 2 * kCluster * kSlots * 512 + N * Work::kTableRow + 240;
  static constexpr int kStages = std::max(3, (Work::kRoom - kOtherBytes) / kStageBytes);
  std::byte weights[kStages][2][kHalfBytes];
  std::byte x[kStages][N * 128];
  float4 received[2][kCluster][kSlots][32];  // From each block; low, low, high, high
  std::byte table[N * Work::kTableRow + 16];
  Barrier full[kStages], empty[kStages];
  Barrier has_received[2];
};

__device__ inline uint32_t address_in(uint32_t address, int block) {
  uint32_t theirs;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(theirs) : "r"(address), "r"(block));
  return theirs;
}
__device__ inline void store_in(uint32_t address, const float4& v) {
  asm volatile("st.shared::cluster.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(address), "f"(v.x), "f"(v.y),
               "f"(v.z), "f"(v.w)
               : "memory");
}
__device__ inline void arrive_in(uint32_t barrier) {
  asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" ::"r"(barrier) : "memory");
}
__device__ inline void wait_for_sums(Barrier& barrier, uint32_t parity) {
  asm volatile(
      "{\n.reg .pred p;\nWAIT:\nmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%0], %1;\n@p "
      "bra DONE;\nbra "
      "WAIT;\nDONE:\n}\n" ::"r"(shared_address(&barrier)),
      "r"(parity)
      : "memory");
}

template <int N, int kCluster, class Work>
struct Block {
  using M = Memory<N, kCluster, Work>;
  static constexpr int kStages = M::kStages;
  const Work& work;
  M& memory;
  const int rank = static_cast<int>(blockIdx.x) % kCluster,
            first_tile = static_cast<int>(blockIdx.x) / kCluster,
            tile_step = static_cast<int>(gridDim.x) / kCluster;
  // This block's steps of a tile.
  const int begin = rank * work.shared.steps / kCluster, end = (rank + 1) * work.shared.steps / kCluster;

  struct Step {
    int tile, step;
  };
  __device__ Step first() const { return {first_tile, begin}; }
  __device__ bool is_end(const Step& s) const { return s.tile >= work.shared.tiles; }
  __device__ void next(Step& s) const {
    if (++s.step == end) s.step = begin, s.tile += tile_step;
  }

  // One thread: asks for everything the block needs.
  __device__ void feed() {
    const auto ask_weights = [&](int stage, const Step& s) {
      const HalfTile low = work.low(s.tile), high = work.high(s.tile);
      memory.full[stage].arrive_and_expect(M::kStageBytes);
      load_box(memory.weights[stage][0], work.shared.weights[low.matrix], memory.full[stage],
               s.step * kColumns, low.row);
      load_box(memory.weights[stage][1], work.shared.weights[high.matrix], memory.full[stage],
               s.step * kColumns, high.row);
    };
    const auto ask_rows = [&](int stage, const Step& s) {
      load_box(memory.x[stage], work.shared.x, memory.full[stage], s.step * kColumns, 0);
    };
    Step s = first();
    for (int i = 0; i < kStages && !is_end(s); ++i, next(s)) ask_weights(i, s);
    wait_for_previous_kernel();
    s = first();
    for (int i = 0; i < kStages && !is_end(s); ++i, next(s)) ask_rows(i, s);
    int stage = 0;
    uint32_t parity = 0;
    for (; !is_end(s); next(s)) {
      memory.empty[stage].wait(parity);
      ask_weights(stage, s);
      ask_rows(stage, s);
      if (++stage == kStages) stage = 0, parity ^= 1;
    }
  }

  // The sums of rows [32 part, 32 part + kAtOnce) of x, to the blocks that add them up: rows 16 w + 8 r + [0,
  // 8) of the halves are block w's of four, or block 2 w + r's of eight.
  __device__ void hand_out(int part, int buffer, const float (&low)[N / 2], const float (&high)[N / 2]) {
    const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int block = kCluster == 4 ? warp : 2 * warp + r;
      const uint32_t to = address_in(
          shared_address(&memory.received[buffer][rank][kCluster == 4 ? r * (M::kAtOnce / 8) : 0][lane]),
          block);
#pragma unroll
      for (int j = 0; j < M::kAtOnce / 8; ++j) {
        // `part` is 0 or 1; registers want constant places.
        const auto at = [&](const float(&sums)[N / 2], int c) {
          const float first = sums[4 * j + 2 * r + c];
          if constexpr (N > kMostAtOnce)
            return part == 0 ? first : sums[M::kAtOnce / 2 + 4 * j + 2 * r + c];
          else
            return first;
        };
        store_in(to + static_cast<uint32_t>(j) * 512, {at(low, 0), at(low, 1), at(high, 0), at(high, 1)});
      }
      if (kCluster == 8 || r == 1)  // Every lane for its own sums
        arrive_in(address_in(shared_address(&memory.has_received[buffer]), block));
    }
  }

  // Sums on their way to the blocks that add them up, and what this block needs for its part of them.
  static constexpr int kItems = (M::kSlots * 32 + kConsumers - 1) / kConsumers;
  struct Exchange {
    int number, tile, part;
    typename Work::Loaded loaded[kItems];
  };
  static __device__ int slot(int i) {
    return static_cast<int>(threadIdx.x) / 32 + i * kWarps;
  }
  __device__ Place place(const Exchange& e, int i) const {
    const int lane = static_cast<int>(threadIdx.x) % 32, j = slot(i) % (M::kAtOnce / 8),
              r = slot(i) / (M::kAtOnce / 8);
    return {e.tile, (kCluster == 4 ? rank * 16 + r * 8 : rank * 8) + lane / 4,
            e.part * kMostAtOnce + j * 8 + lane % 4 * 2};
  }
  __device__ Exchange begin_exchange(int number, int tile, int part, const float (&low)[N / 2],
                                     const float (&high)[N / 2]) {
    // Once any warp has arrived for this exchange, its block has read what it received in the last one: so
    // what a block hands out here finds the buffer of the one before that free.
    sync_named(1, kConsumers);
    hand_out(part, number % 2, low, high);
    Exchange e = {.number = number, .tile = tile, .part = part, .loaded = {}};
#pragma unroll
    for (int i = 0; i < kItems; ++i)
      if (slot(i) < M::kSlots) e.loaded[i] = work.load(place(e, i));
    return e;
  }
  __device__ void finish(const Exchange& e) {
    const int buffer = e.number % 2;
    wait_for_sums(memory.has_received[buffer], e.number / 2 % 2);
#pragma unroll
    for (int i = 0; i < kItems; ++i) {
      if (slot(i) >= M::kSlots) continue;
      float4 sum = memory.received[buffer][0][slot(i)][threadIdx.x % 32];
#pragma unroll
      for (int b = 1; b < kCluster; ++b) {
        const float4 next = memory.received[buffer][b][slot(i)][threadIdx.x % 32];
        sum.x += next.x, sum.y += next.y, sum.z += next.z, sum.w += next.w;
      }
      work.store(place(e, i), Sums{{sum.x, sum.y}, {sum.z, sum.w}}, e.loaded[i], memory.table);
    }
  }

  // The sums of a tile are finished amid the next one: on their way they would keep the ring waiting.
  __device__ void consume() {
    int stage = 0, exchanges = 0;
    uint32_t parity = 0;
    Exchange last = {};
    for (int tile = first_tile; tile < work.shared.tiles; tile += tile_step) {
      float low[N / 2], high[N / 2];
#pragma unroll
      for (int i = 0; i < N / 2; ++i) low[i] = high[i] = 0;
      for (int step = begin; step < end; ++step) {
        if (step == (begin + end) / 2 && exchanges > 0) finish(last);
        memory.full[stage].wait(parity);
        pin(low), pin(high);
        wgmma_fence();
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          const uint64_t x = descriptor(memory.x[stage]) + 2 * k;
          wgmma<Major::kSum, Major::kSum>(low, descriptor(memory.weights[stage][0]) + 2 * k, x, true);
          wgmma<Major::kSum, Major::kSum>(high, descriptor(memory.weights[stage][1]) + 2 * k, x, true);
        }
        wgmma_commit();
        wgmma_wait<0>();
        pin(low), pin(high);
        if (threadIdx.x % 32 == 0) memory.empty[stage].arrive();
        if (++stage == kStages) stage = 0, parity ^= 1;
      }
#pragma unroll 1
      for (int part = 0; part < N / M::kAtOnce; ++part) {
        if (part > 0) finish(last);
        last = begin_exchange(exchanges++, tile, part, low, high);
      }
    }
    arrive_at_cluster_relaxed();
    finish(last);
    wait_for_cluster();  // Nobody leaves while others may still hand out sums.
  }

  __device__ void init() {
    for (int i = 0; i < kStages; ++i) memory.full[i].init(1), memory.empty[i].init(kWarps);
    for (Barrier& barrier : memory.has_received) barrier.init(kCluster * 32);
    fence_barrier_init();
  }
};

template <int N, int kCluster, class Work>
__global__ void __launch_bounds__(kThreads, 2) kernel(const __grid_constant__ Work work) {
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ __align__(1024) std::byte bytes[];
  Block<N, kCluster, Work> block{.work = work,
                                 .memory = *reinterpret_cast<Memory<N, kCluster, Work>*>(bytes)};
  let_next_kernel_start();
  if (threadIdx.x == 0) block.init();
  __syncthreads();
  arrive_at_cluster();
  if (threadIdx.x == kConsumers) block.feed();
  // No block hands out sums before all others are there to receive them.
  if (threadIdx.x < kConsumers) work.prepare(block.memory.table);
  wait_for_cluster();
  if (threadIdx.x >= kConsumers) return;
  wait_for_previous_kernel();
  block.consume();
#endif
}

}  // namespace poro::batch_rows
