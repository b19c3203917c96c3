// The products of decoding: every weight is read once, at the speed of the memory. Each of a block's sixteen
// warps has a ring of its own in shared memory, which is filled several units ahead; a warp stops for nobody
// else until a tile's sums are added, in a fixed order. A group of warps shares the columns of a tile. All
// products of at most eight tokens pass through this; what a product does before (the norm) and after
// (residual, rotation, cache, gate) is its Work's.
//
// Launches overlap (programmatic dependent launch): a block begins its ring while the kernel before it still
// runs, because weights never depend on that kernel; activations are read after `griddepcontrol.wait`, and
// the ring filled after that: activations would come behind all the weights that were asked for before.
//
// The sum of a token depends on its row alone: tokens are columns of the tensor cores' tiles.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "base/cuda/state.h"
#include "ops/cuda/hopper.cuh"
#include "ops/cuda/ring_activations.h"

namespace poro::few_rows {

using cuda::hopper::Barrier;

constexpr int kTileRows = 16;  // A tile: eight "low" rows and eight "high" rows, which may lie anywhere.
constexpr int kMostUnits = 6;  // In a warp's ring.
constexpr int kPlaces = 4;     // For the sums of a group's tiles that are under way, at most.

struct Weights;

// Eight rows of a matrix, less at its end.
struct HalfTile {
  const Weights* matrix = nullptr;
  int first = 0, rows = 0;
};

// A matrix as the ring reads it.
struct Weights {
  const std::byte* values = nullptr;
  const float* scales = nullptr;  // Of each row, or none.
  int64_t pitch = 0;              // Bytes from row to row.
  int64_t outputs = 0;

  __device__ HalfTile rows(int first) const {
    return {this, first, max(0, min(8, static_cast<int>(outputs) - first))};
  }
};

__device__ inline void copy_16(std::byte* to, const std::byte* from, int bytes) {  // Zeros after `bytes`.
  asm volatile(
      "cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(cuda::hopper::shared_address(to)),
      "l"(from), "r"(bytes)
      : "memory");
}
__device__ inline void end_group() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int kLeft>
__device__ inline void wait_for_groups() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}
__device__ inline void wait_for_previous_kernel() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
}
__device__ inline void let_next_kernel_start() {
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}

// Partial sums of a tile: of each warp 16 rows of token_width() floats; in so many places of a group.
__host__ __device__ constexpr int num_places(int tokens) {
  return tokens <= 4 ? kPlaces : kPlaces / 2;
}
__host__ __device__ constexpr int partial_floats(int tokens) {
  return num_places(tokens) * kWarps * kTileRows * token_width(tokens);
}

// What a block's warps wait for. Tiles are finished without a stop: every warp leaves its sums in one of a
// few places of its group, in turn, and goes on; one of the warps, another for each tile, waits for all and
// adds them in a fixed order. Every lane arrives for its own sums.
struct Barriers {
  static constexpr int kMostGroups = 2;
  Barrier full[kMostGroups][kPlaces], empty[kMostGroups][kPlaces];
  Barrier unit[kWarps][kMostUnits];  // Of the rings of panels; rows have none.

  // By one thread; a __syncthreads must follow.
  __device__ void init(int group_warps) {
    for (int g = 0; g < kMostGroups; ++g)
      for (int i = 0; i < kPlaces; ++i) full[g][i].init(group_warps * 32), empty[g][i].init(32);
  }
};

// Where things lie in a block's shared memory, from its start.
struct Layout {
  int x, starts, partials, stats, factors, barriers, total;
};
template <class Format>
__host__ __device__ constexpr Layout layout(int units, int tokens, int chunks) {
  Layout at = {};
  at.x = kWarps * units * Format::kUnitBytes;
  at.starts = at.x + tokens * token_stride<Format>(chunks);
  at.partials = at.starts + starts_bytes<Format>(tokens, chunks);
  at.stats = at.partials + partial_floats(tokens) * 4;
  at.factors = at.stats + kWarps * tokens * 8;
  at.barriers = at.factors + (tokens * 4 + 15) / 16 * 16;
  at.total = at.barriers + static_cast<int>(Format::kIsPanels ? sizeof(Barriers) : offsetof(Barriers, unit));
  return at;
}

// The tiles of this warp's group, and its units of a tile's rows: each group's and each warp's in turn.
template <class Format>
struct Turn {
  static constexpr int kGroups = kWarps / Format::kGroupWarps;
  static __device__ int group() { return static_cast<int>(threadIdx.x) / 32 / Format::kGroupWarps; }
  static __device__ int member() { return static_cast<int>(threadIdx.x) / 32 % Format::kGroupWarps; }
  static __device__ int first_tile() { return static_cast<int>(blockIdx.x + group() * gridDim.x); }
  static __device__ int tile_step() { return static_cast<int>(kGroups * gridDim.x); }
};

// What is to be asked for next, in the order of Turn. The next kernel may start when the last was asked for.
template <class Format, class Work>
struct Cursor {
  const Work& work;
  int tile = Turn<Format>::first_tile(), unit = Turn<Format>::member();
  HalfTile low = {}, high = {};

  __device__ bool is_open() const { return tile < work.shared.num_tiles; }
  // After a change of `tile`.
  __device__ void find() {
    if (is_open() && unit < work.shared.chunks / kUnitChunks) {
      low = work.low(tile), high = work.high(tile);
    } else {
      let_next_kernel_start();
      tile = work.shared.num_tiles;
    }
  }
  // Whether the tile is another one now.
  __device__ bool advance() {
    unit += Format::kGroupWarps;
    if (unit < work.shared.chunks / kUnitChunks) return false;
    unit = Turn<Format>::member(), tile += Turn<Format>::tile_step();
    find();
    return true;
  }
};

// A warp's ring of rows: a lane copies just what it will hand to the tensor cores, so no lane waits for
// another.
template <class Format, class Work>
class RowFeed {
 public:
  __device__ RowFeed(const Work& work, std::byte* ring, Barriers&)
      : cursor_{work},
        units_(work.shared.units),
        ring_(ring + threadIdx.x / 32 * units_ * Format::kUnitBytes + threadIdx.x % 32 * 16) {
    cursor_.find();
    find_rows();
    for (int i = 0; i < min(units_, Format::kEarlyUnits); ++i) ask();
  }

  // Asks for what the ring has room for besides.
  __device__ void fill() {
    for (int i = Format::kEarlyUnits; i < units_; ++i) ask();
  }

  // The oldest unit, from this lane's first bytes.
  __device__ const std::byte* wait() {
    switch (units_) {
      case 2:
        wait_for_groups<1>();
        break;
      case 3:
        wait_for_groups<2>();
        break;
      case 4:
        wait_for_groups<3>();
        break;
      case 5:
        wait_for_groups<4>();
        break;
      default:
        wait_for_groups<5>();
        break;
    }
    return ring_ + at_ * Format::kUnitBytes;
  }
  // Gives the oldest unit's place to the next one.
  __device__ void next() { ask(); }

 private:
  // Rows that are missing at a matrix's end are read as others: their sums are dropped.
  __device__ void find_rows() {
    if (!cursor_.is_open()) return;
    const auto row = [](const HalfTile& half) {
      const int lane = threadIdx.x % 32;
      return half.matrix->values + (half.first + min(lane / 4, half.rows - 1)) * half.matrix->pitch +
             lane % 4 * 16;
    };
    low_ = row(cursor_.low);
    high_ = cursor_.high.rows > 0 ? row(cursor_.high) : low_;
    bytes_ = static_cast<int>(cursor_.low.matrix->pitch);
  }
  __device__ void ask() {
    if (cursor_.is_open()) {
      std::byte* to = ring_ + at_ * Format::kUnitBytes;
#pragma unroll
      for (int i = 0; i < kUnitChunks; ++i) {
        const int from = (cursor_.unit * kUnitChunks + i) * kChunkBytes;
        const bool is_there = from < bytes_;
        copy_16(to + Format::chunk_at(i), low_ + (is_there ? from : 0), is_there ? 16 : 0);
        copy_16(to + Format::chunk_at(i) + Format::kHighAt, high_ + (is_there ? from : 0), is_there ? 16 : 0);
      }
      if (cursor_.advance()) find_rows();
    }
    if (++at_ == units_) at_ = 0;
    end_group();
  }

  Cursor<Format, Work> cursor_;
  const int units_;
  std::byte* const ring_;
  int at_ = 0, bytes_ = 0;
  const std::byte *low_ = nullptr, *high_ = nullptr;
};

// A warp's ring of panels, of which each half of a unit is one piece: one lane asks the copy engine.
template <class Format, class Work>
class PanelFeed {
 public:
  __device__ PanelFeed(const Work& work, std::byte* ring, Barriers& barriers)
      : cursor_{work},
        units_(work.shared.units),
        ring_(ring + threadIdx.x / 32 * units_ * Format::kUnitBytes),
        there_(barriers.unit[threadIdx.x / 32]) {
    if (threadIdx.x % 32 == 0) {
      for (int i = 0; i < units_; ++i) there_[i].init(1);
      cuda::hopper::fence_barrier_init();
      cursor_.find();
      for (int i = 0; i < min(units_, Format::kEarlyUnits); ++i) ask(i);
    }
    __syncwarp();
  }

  __device__ void fill() {
    if (threadIdx.x % 32 == 0)
      for (int i = Format::kEarlyUnits; i < units_; ++i) ask(i);
  }

  __device__ const std::byte* wait() {
    there_[at_].wait(parity_);
    return ring_ + at_ * Format::kUnitBytes + threadIdx.x % 32 * 16;
  }
  __device__ void next() {
    __syncwarp();
    if (threadIdx.x % 32 == 0) ask(at_);
    if (++at_ == units_) at_ = 0, parity_ ^= 1;
  }

 private:
  // One lane, here and below. What lies at the place of a missing half is multiplied, and the sums are
  // dropped.
  __device__ void load(const HalfTile& half, std::byte* to, Barrier& there) const {
    if (half.rows > 0)
      cuda::hopper::load_bytes(
          to, half.matrix->values + half.first * half.matrix->pitch + cursor_.unit * Format::kHighAt,
          Format::kHighAt, there);
  }
  __device__ void ask(int at) {
    if (!cursor_.is_open()) return;
    std::byte* to = ring_ + at * Format::kUnitBytes;
    there_[at].arrive_and_expect(((cursor_.low.rows > 0) + (cursor_.high.rows > 0)) * Format::kHighAt);
    load(cursor_.low, to, there_[at]);
    load(cursor_.high, to + Format::kHighAt, there_[at]);
    cursor_.advance();
  }

  Cursor<Format, Work> cursor_;  // The first lane's
  const int units_;
  std::byte* const ring_;
  Barrier* const there_;
  int at_ = 0;
  uint32_t parity_ = 0;
};

template <class Format, class Work>
using Feed = std::conditional_t<Format::kIsPanels, PanelFeed<Format, Work>, RowFeed<Format, Work>>;

// What a lane of the finishing warp needs of memory: asked for when the tile begins. Lane 8 j + r has row r
// of each half, of tokens j and j + 4.
template <class Work>
struct Finish {
  static constexpr int kTokens = kMaxTokens / 4;
  bool has_low = false, has_high = false;
  float low_scale = 1, high_scale = 1;
  typename Work::Ahead ahead[kTokens];

  static __device__ int row() { return threadIdx.x % 8; }
  static __device__ int token(int i) { return threadIdx.x % 32 / 8 + 4 * i; }

  template <class Format>
  __device__ void load(const Work& work, int tile) {
    const HalfTile low = work.low(tile), high = work.high(tile);
    has_low = row() < low.rows, has_high = row() < high.rows;
    if constexpr (Format::kHasRowScales) {
      if (has_low) low_scale = __ldg(low.matrix->scales + low.first + row());
      if (has_high) high_scale = __ldg(high.matrix->scales + high.first + row());
    }
#pragma unroll
    for (int i = 0; i < kTokens; ++i)
      if (token(i) < work.shared.tokens) ahead[i] = work.load(tile, row(), token(i), has_low, has_high);
  }

  // All warps' sums of a row and token: a fourth of the warps by each of four lanes, and those four together.
  template <class Format>
  static __device__ float sum(const float* partials, int width, int row, int token) {
    const float* from =
        partials + (threadIdx.x % 32 / 8 * (Format::kGroupWarps / 4) * kTileRows + row) * width + token;
    float sum = 0;
#pragma unroll
    for (int w = 0; w < Format::kGroupWarps / 4; ++w) sum += from[w * kTileRows * width];
    sum += __shfl_xor_sync(~0u, sum, 8);
    return sum + __shfl_xor_sync(~0u, sum, 16);
  }

  template <class Format>
  __device__ void store(const Work& work, int tile, const float* partials, const float* factors) const {
    const int tokens = work.shared.tokens, width = token_width(tokens);
#pragma unroll
    for (int i = 0; i < kTokens; ++i) {
      if (4 * i >= tokens) break;
      float low = 0, high = 0;
      for (int t = 4 * i; t < min(tokens, 4 * i + 4); ++t) {
        const float a = sum<Format>(partials, width, row(), t),
                    b = sum<Format>(partials, width, row() + 8, t);
        if (t == token(i)) low = a, high = b;
      }
      if (token(i) >= tokens) continue;
      if constexpr (Format::kIsHalf) low *= factors[token(i)], high *= factors[token(i)];
      if constexpr (Format::kHasRowScales) low *= low_scale, high *= high_scale;
      work.store(tile, row(), token(i), low, high, has_low, has_high, ahead[i]);
    }
  }
};

// A lane's share of one unit, from the lane's first bytes: sums += w x.
template <class Format>
__device__ inline void consume_unit(Sums& sums, const std::byte* unit, const std::byte* x,
                                    const float* starts, int width) {
#pragma unroll
  for (int i = 0; i < kUnitChunks; ++i) {
    const uint4 low = *reinterpret_cast<const uint4*>(unit + Format::chunk_at(i));
    const uint4 high = *reinterpret_cast<const uint4*>(unit + Format::chunk_at(i) + Format::kHighAt);
    uint4 pieces[Format::kPieces];
#pragma unroll
    for (int j = 0; j < Format::kPieces; ++j)
      pieces[j] = *reinterpret_cast<const uint4*>(x + (i * Format::kPieces + j) * 64);
    if constexpr (Format::kIsPanels) {
      const int lane = threadIdx.x % 32;
      const std::byte* scales = unit - lane * 16 + Format::kScalesAt + lane / 4 * 8 + i * 4;
      Format::add(sums, low, high, pieces, *reinterpret_cast<const uint32_t*>(scales),
                  *reinterpret_cast<const uint32_t*>(scales + Format::kHighAt),
                  *reinterpret_cast<const float2*>(starts + 2 * i * width),
                  *reinterpret_cast<const float2*>(starts + (2 * i + 1) * width));
    } else {
      Format::add(sums, low, high, pieces);
    }
  }
}

// What a product's threads share: its activations and what its sums pass through.
struct Memory {
  std::byte* x;
  float *starts, *partials, *stats, *factors;
  Barriers* barriers;

  __device__ Memory(std::byte* memory, const Layout& at, int group_warps)
      : x(memory + at.x),
        starts(reinterpret_cast<float*>(memory + at.starts)),
        partials(reinterpret_cast<float*>(memory + at.partials)),
        stats(reinterpret_cast<float*>(memory + at.stats)),
        factors(reinterpret_cast<float*>(memory + at.factors)),
        barriers(reinterpret_cast<Barriers*>(memory + at.barriers)) {
    if (threadIdx.x == 0) barriers->init(group_warps);
  }
};

// This warp's part of the tiles of a product.
template <class Format, class Work>
__device__ __forceinline__ void consume(const Work& work, Feed<Format, Work>& feed, const Memory& memory) {
  using MyTurn = Turn<Format>;
  const Shared& s = work.shared;
  const int lane = threadIdx.x % 32, g = lane / 4, c = lane % 4, member = MyTurn::member(),
            width = token_width(s.tokens), places = num_places(s.tokens), units = s.chunks / kUnitChunks;
  constexpr int kUnitX = kUnitChunks * Format::kPieces * 64;
  const std::byte* my_x = memory.x + (g < s.tokens ? g : 0) * token_stride<Format>(s.chunks) + c * 16;
  const float* my_starts = memory.starts + min(2 * c, width - 2);
  float* of_group = memory.partials + MyTurn::group() * places * Format::kGroupWarps * kTileRows * width;
  Barrier *full = memory.barriers->full[MyTurn::group()], *empty = memory.barriers->empty[MyTurn::group()];
  int turn = 0;
  for (int tile = MyTurn::first_tile(); tile < s.num_tiles; tile += MyTurn::tile_step(), ++turn) {
    const bool finishes = turn % Format::kGroupWarps == member;
    Finish<Work> finish;
    if (finishes) finish.template load<Format>(work, tile);
    Sums sums;
    for (int unit = member; unit < units; unit += Format::kGroupWarps) {
      consume_unit<Format>(sums, feed.wait(), my_x + unit * kUnitX,
                           my_starts + unit * 2 * kUnitChunks * width, width);
      feed.next();
    }
    const int place = turn % places;
    const uint32_t parity = turn / places & 1;
    float* of_turn = of_group + place * Format::kGroupWarps * kTileRows * width;
    empty[place].wait(parity ^ 1);
    if (2 * c < width) {
      float* mine = of_turn + (member * kTileRows + g) * width + 2 * c;
      *reinterpret_cast<float2*>(mine) = {sums.low[0], sums.low[1]};
      *reinterpret_cast<float2*>(mine + 8 * width) = {sums.high[0], sums.high[1]};
    }
    full[place].arrive();
    if (!finishes) continue;
    full[place].wait(parity);
    finish.template store<Format>(work, tile, of_turn, memory.factors);
    empty[place].arrive();
  }
}

template <class Format, class Work>
__global__ void __launch_bounds__(kThreads, 1) kernel(const __grid_constant__ Work work) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(128) std::byte shared_memory[];
  const Shared& s = work.shared;
  const Memory memory(shared_memory, layout<Format>(s.units, s.tokens, s.chunks), Format::kGroupWarps);
  Feed<Format, Work> feed(work, shared_memory, *memory.barriers);
  const NormWeights norm(s);
  wait_for_previous_kernel();
  copy_activations<Format>(s, memory.x);
  feed.fill();
  prepare_activations<Format>(s, memory.x, memory.starts, norm, memory.stats, memory.factors);
  __syncthreads();
  consume<Format>(work, feed, memory);
#endif
}

// Launches one of these kernels, to overlap with the kernel before it.
template <auto kKernel, class... Args>
void launch_overlapping(Cuda& cuda, int blocks, int64_t shared_bytes, const Args&... args) {
  static const int allowed = [&] {  // Once for each kernel.
    const int most = static_cast<int>(cuda.state().properties.sharedMemPerBlockOptin);
    CUDA_CHECK(cudaFuncSetAttribute(kKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most));
    return most;
  }();
  CHECK(shared_bytes <= allowed, "{} bytes of shared memory", shared_bytes);
  cudaLaunchAttribute overlap = {};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = static_cast<unsigned>(blocks);
  config.blockDim = kThreads;
  config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
  config.stream = cuda.state().stream;
  config.attrs = &overlap;
  config.numAttrs = 1;
  CUDA_CHECK(cudaLaunchKernelEx(&config, kKernel, args...));
}

// The most units for which `total(units)` bytes fit in `bytes`.
template <class Total>
int units_in(int64_t bytes, const Total& total) {
  int units = kMostUnits;
  while (units > 0 && total(units) > bytes) --units;
  return units;
}

// Sets the length of the rings and launches. False when the activations leave no room for them.
template <class Format, class Work>
bool launch(Cuda& cuda, Work work) {
  Cuda::State& state = cuda.state();
  Shared& s = work.shared;
  const auto total = [&](int units) { return layout<Format>(units, s.tokens, s.chunks).total; };
  // Of a multiprocessor's 227 KiB half, so that the next kernel's rings fill while this one ends; or all,
  // which gains more where a warp has many units of a tile's rows. As measured.
  const auto most = static_cast<int64_t>(state.properties.sharedMemPerBlockOptin);
  const bool is_long = !Format::kIsPanels && s.chunks / kUnitChunks > 4 * kWarps;
  s.units = units_in(is_long ? most : 113 << 10, total);
  if (s.units < 2) s.units = units_in(most, total);
  if (s.units < 2) return false;
  launch_overlapping<kernel<Format, Work>>(cuda, std::min(s.num_tiles, state.num_multiprocessors()),
                                           total(s.units), work);
  return true;
}

// One element of a bf16 or f32 tensor.
__device__ inline float load_value(const void* data, bool is_f32, int64_t index) {
  return is_f32 ? __ldcg(static_cast<const float*>(data) + index)
                : __bfloat162float(__ldcg(static_cast<const __nv_bfloat16*>(data) + index));
}
__device__ inline void store_value(void* data, bool is_f32, int64_t index, float value) {
  if (is_f32)
    static_cast<float*>(data)[index] = value;
  else
    static_cast<__nv_bfloat16*>(data)[index] = __float2bfloat16_rn(value);
}

}  // namespace poro::few_rows
