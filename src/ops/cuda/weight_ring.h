// The products of decoding: every weight is read once, at the speed of the memory. Each of a block's sixteen
// warps has a ring of its own in shared memory: a lane copies there, several units ahead and without
// stopping, just the bytes that it will hand to the tensor cores, so no lane waits for another until a tile's
// sums are added, in a fixed order. All products of at most eight tokens pass through this; what a product
// does before (the norm) and after (residual, rotation, cache, gate) is its Work's.
//
// Launches overlap (programmatic dependent launch): a block fills its ring while the kernel before it still
// runs, because weights never depend on that kernel; activations are read after `griddepcontrol.wait`.
//
// The sum of a token depends on its row alone: tokens are columns of the tensor cores' tiles.
#pragma once

#include <algorithm>

#include "base/cuda/state.h"
#include "ops/cuda/hopper.cuh"
#include "ops/cuda/ring_activations.h"

namespace poro::few_rows {

constexpr int kTileRows = 16;  // A tile: eight "low" rows and eight "high" rows, which may lie anywhere.
constexpr int kChunkBytes = 64;
constexpr int kUnitChunks = 2;  // A unit of the ring: so many chunks of each of the tile's rows.
constexpr int kMostUnits = 6;   // In a warp's ring.
constexpr int kPlaces = 4;      // For the sums of tiles that are under way, at most.

// Eight rows of a matrix, less at its end.
struct HalfTile {
  const std::byte* values = nullptr;
  const float* scales = nullptr;  // Of the first row, or none.
  int rows = 0;
};

// A matrix as the ring reads it.
struct Weights {
  const std::byte* values = nullptr;
  const float* scales = nullptr;  // Of each row, or none.
  int64_t pitch = 0;              // Bytes from row to row.
  int64_t outputs = 0;

  __device__ HalfTile rows(int64_t first) const {
    const int64_t left = outputs - first;
    if (left <= 0) return {values, scales, 0};
    return {values + first * pitch, scales == nullptr ? nullptr : scales + first,
            static_cast<int>(left < 8 ? left : 8)};
  }
};

__device__ inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}
__device__ inline void copy_16(void* to, const void* from) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(shared_address(to)), "l"(from)
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

// Partial sums of a tile: of each warp 16 rows of token_width() floats; in so many places.
__host__ __device__ constexpr int num_places(int tokens) {
  return tokens <= 4 ? kPlaces : kPlaces / 2;
}
__host__ __device__ constexpr int partial_floats(int tokens) {
  return num_places(tokens) * kWarps * kTileRows * token_width(tokens);
}

template <class Format>
__host__ __device__ constexpr int unit_bytes() {
  return kTileRows * (kUnitChunks * kChunkBytes + (Format::kIsPanels ? kUnitChunks * 4 : 0));
}

// Where things lie in a block's shared memory, from its start.
struct Layout {
  int x, starts, partials, extra, stats, factors, barriers, total;
};
// `extra_bytes`: what the Work wants.
template <class Format>
__host__ __device__ constexpr Layout layout(int units, int tokens, int chunks, int extra_bytes) {
  Layout at = {};
  at.x = kWarps * units * unit_bytes<Format>();
  at.starts = at.x + tokens * token_stride<Format>(chunks);
  at.partials = at.starts + starts_bytes<Format>(tokens, chunks);
  at.extra = at.partials + partial_floats(tokens) * 4;
  at.stats = at.extra + extra_bytes;
  at.factors = at.stats + kWarps * tokens * 8;
  at.barriers = at.factors + (tokens * 4 + 15) / 16 * 16;
  at.total = at.barriers + 2 * kPlaces * 8;
  return at;
}

// A tile of some product, and how many chunks its rows have.
struct TileRows {
  HalfTile low, high;
  int64_t pitch;
  int chunks;
};

// A warp's ring. Units come in the order of the tiles that `source.next(TileRows&)` names, and of units warp,
// warp + kWarps, ... of a tile's rows.
template <class Format, class Source>
class Feed {
 public:
  __device__ Feed(const Source& source, int units, std::byte* ring)
      : source_(source), units_(units), ring_(ring + threadIdx.x / 32 * units * unit_bytes<Format>()) {
    for (int i = 0; i < units; ++i) ask();
  }

  static __device__ int first_chunk() { return static_cast<int>(threadIdx.x) / 32 * kUnitChunks; }
  static constexpr int kStep = kWarps * kUnitChunks;
  static constexpr int kNextChunk = Format::kIsPanels ? 512 : kChunkBytes;

  // The oldest unit: for chunk i, 16 bytes of each lane's low row at 1024 i + 16 lane and of its high row 512
  // further on.
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
    if (Format::kIsPanels) __syncwarp();  // Lanes read scales that others copied.
    return ring_ + at_ * unit_bytes<Format>();
  }
  // Gives the oldest unit's place to the next one.
  __device__ void next() {
    if (Format::kIsPanels) __syncwarp();
    ask();
  }

 private:
  // The next tile of which this warp has a part.
  __device__ bool find_tile() {
    TileRows rows;
    do {
      if (!source_.next(rows)) return false;
    } while (first_chunk() >= rows.chunks);
    const int lane = threadIdx.x % 32, g = lane / 4;
    // Rows that are missing at a matrix's end are read as others: their sums are dropped.
    const bool has_high = rows.high.rows > 0;
    if constexpr (Format::kIsPanels) {
      low_ = rows.low.values + lane * 16;
      high_ = has_high ? rows.high.values + lane * 16 : low_;
    } else {
      low_ = rows.low.values + min(g, rows.low.rows - 1) * rows.pitch + lane % 4 * 16;
      high_ = has_high ? rows.high.values + min(g, rows.high.rows - 1) * rows.pitch + lane % 4 * 16 : low_;
    }
    chunk_ = first_chunk(), end_ = rows.chunks;
    return true;
  }

  __device__ void ask() {
    if (is_open_ && chunk_ >= end_) is_open_ = find_tile();
    if (is_open_) {
      const int lane = threadIdx.x % 32, at = Format::chunk_at(chunk_);
      std::byte* to = ring_ + at_ * unit_bytes<Format>();
#pragma unroll
      for (int i = 0; i < kUnitChunks; ++i) {
        if (chunk_ + i >= end_) break;
        copy_16(to + i * 1024 + lane * 16, low_ + at + i * kNextChunk);
        copy_16(to + i * 1024 + 512 + lane * 16, high_ + at + i * kNextChunk);
      }
      if constexpr (Format::kIsPanels)  // Lane 0 to 3 those of the low rows; the lane's own offset is in the
                                        // addresses.
        if (lane < 8)
          copy_16(to + kUnitChunks * 1024 + lane * 16, lane < 4 ? low_ + at + 1024 : high_ + at + 1024 - 64);
      chunk_ += kStep;
    }
    if (++at_ == units_) at_ = 0;
    end_group();
  }

  Source source_;
  const int units_;
  std::byte* const ring_;
  int chunk_ = 0, end_ = 0, at_ = 0;
  bool is_open_ = true;
  const std::byte *low_ = nullptr, *high_ = nullptr;
};

// Tiles are finished without a stop: every warp leaves its sums in one of a few places, in turn, and goes on;
// one of the warps, another for each tile, waits for all and adds them in a fixed order. Every lane arrives
// for its own sums, which compute-sanitizer's racecheck understands, and which takes no longer than one for
// all.
struct TileBarriers {
  cuda::hopper::Barrier full[kPlaces], empty[kPlaces];

  // By one thread; a __syncthreads must follow.
  __device__ void init() {
    for (int i = 0; i < kPlaces; ++i) full[i].init(kThreads), empty[i].init(32);
  }
};

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
      if (has_low) low_scale = __ldg(low.scales + row());
      if (has_high) high_scale = __ldg(high.scales + row());
    }
#pragma unroll
    for (int i = 0; i < kTokens; ++i)
      if (token(i) < work.shared.tokens) ahead[i] = work.load(tile, row(), token(i), has_low, has_high);
  }

  // All warps' sums of a row and token: a fourth of the warps by each of four lanes, and those four together.
  static __device__ float sum(const float* partials, int width, int row, int token) {
    const float* from = partials + (threadIdx.x % 32 / 8 * (kWarps / 4) * kTileRows + row) * width + token;
    float sum = 0;
#pragma unroll
    for (int w = 0; w < kWarps / 4; ++w) sum += from[w * kTileRows * width];
    sum += __shfl_xor_sync(~0u, sum, 8);
    return sum + __shfl_xor_sync(~0u, sum, 16);
  }

  template <class Format>
  __device__ void store(const Work& work, int tile, const float* partials, const std::byte* extra,
                        const float* factors) const {
    const int tokens = work.shared.tokens, width = token_width(tokens);
#pragma unroll
    for (int i = 0; i < kTokens; ++i) {
      if (4 * i >= tokens) break;
      float low = 0, high = 0;
      for (int t = 4 * i; t < min(tokens, 4 * i + 4); ++t) {
        const float a = sum(partials, width, row(), t), b = sum(partials, width, row() + 8, t);
        if (t == token(i)) low = a, high = b;
      }
      if (token(i) >= tokens) continue;
      if constexpr (Format::kIsHalf) low *= factors[token(i)], high *= factors[token(i)];
      if constexpr (Format::kHasRowScales) low *= low_scale, high *= high_scale;
      work.store(tile, row(), token(i), low, high, has_low, has_high, ahead[i], extra);
    }
  }
};

// A lane's share of one unit, or of what a row has left of it: sums += w x.
template <class Format>
__device__ inline void consume_unit(Sums& sums, const std::byte* unit, int first, int end,
                                    const std::byte* my_x, bool has_token, const float* my_starts,
                                    int width) {
  const int lane = threadIdx.x % 32;
  const auto one = [&](int i) {
    const uint4 low = *reinterpret_cast<const uint4*>(unit + i * 1024 + lane * 16);
    const uint4 high = *reinterpret_cast<const uint4*>(unit + i * 1024 + 512 + lane * 16);
    uint4 pieces[Format::kPieces] = {};
    if (has_token)
#pragma unroll
      for (int j = 0; j < Format::kPieces; ++j)
        pieces[j] = *reinterpret_cast<const uint4*>(my_x + ((first + i) * Format::kPieces + j) * 64);
    if constexpr (Format::kIsPanels) {
      const std::byte* scales = unit + kUnitChunks * 1024 + lane / 4 * 8 + i * 4;
      const float* starts = my_starts + (first + i) * 2 * width;
      Format::add(sums, low, high, pieces, *reinterpret_cast<const uint32_t*>(scales),
                  *reinterpret_cast<const uint32_t*>(scales + 64), *reinterpret_cast<const float2*>(starts),
                  *reinterpret_cast<const float2*>(starts + width));
    } else {
      Format::add(sums, low, high, pieces);
    }
  };
  if (first + kUnitChunks <= end) {
#pragma unroll
    for (int i = 0; i < kUnitChunks; ++i) one(i);
  } else {
    for (int i = 0; first + i < end; ++i) one(i);
  }
}

// What a product's threads share: its activations and what its sums pass through.
struct Memory {
  std::byte *x, *extra;
  float *starts, *partials, *stats, *factors;
  TileBarriers* barriers;

  __device__ Memory(std::byte* memory, const Layout& at)
      : x(memory + at.x),
        extra(memory + at.extra),
        starts(reinterpret_cast<float*>(memory + at.starts)),
        partials(reinterpret_cast<float*>(memory + at.partials)),
        stats(reinterpret_cast<float*>(memory + at.stats)),
        factors(reinterpret_cast<float*>(memory + at.factors)),
        barriers(reinterpret_cast<TileBarriers*>(memory + at.barriers)) {
    if (threadIdx.x == 0) barriers->init();
  }
};

// This block's tiles of a product.
template <class Format, class Work, class Source>
__device__ __forceinline__ void consume(const Work& work, Feed<Format, Source>& feed, const Memory& memory) {
  const Shared& s = work.shared;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, c = lane % 4,
            width = token_width(s.tokens);
  const bool has_token = g < s.tokens;
  const std::byte* my_x = memory.x + (has_token ? g : 0) * token_stride<Format>(s.chunks) + c * 16;
  const float* my_starts = memory.starts + min(2 * c, width - 2);
  const int places = num_places(s.tokens);
  int turn = 0;
  for (int tile = blockIdx.x; tile < s.num_tiles; tile += gridDim.x, ++turn) {
    const bool finishes = turn % kWarps == warp;
    Finish<Work> finish;
    if (finishes) finish.template load<Format>(work, tile);
    Sums sums;
    for (int first = feed.first_chunk(); first < s.chunks; first += feed.kStep) {
      consume_unit<Format>(sums, feed.wait(), first, s.chunks, my_x, has_token, my_starts, width);
      feed.next();
    }
    const int place = turn % places;
    const uint32_t parity = turn / places & 1;
    float* of_turn = memory.partials + place * kWarps * kTileRows * width;
    memory.barriers->empty[place].wait(parity ^ 1);
    if (2 * c < width) {
      float* mine = of_turn + (warp * kTileRows + g) * width + 2 * c;
      *reinterpret_cast<float2*>(mine) = {sums.low[0], sums.low[1]};
      *reinterpret_cast<float2*>(mine + 8 * width) = {sums.high[0], sums.high[1]};
    }
    memory.barriers->full[place].arrive();
    if (!finishes) continue;
    memory.barriers->full[place].wait(parity);
    finish.template store<Format>(work, tile, of_turn, memory.extra, memory.factors);
    memory.barriers->empty[place].arrive();
  }
}

// The tiles of one product. The next kernel may start when the last has been asked for.
template <class Work>
struct TilesOf {
  const Work& work;
  int tile;

  __device__ bool next(TileRows& rows) {
    if (tile >= work.shared.num_tiles) {
      let_next_kernel_start();
      return false;
    }
    rows = {work.low(tile), work.high(tile), work.pitch(), work.shared.chunks};
    tile += gridDim.x;
    return true;
  }
};

template <class Format, class Work>
__global__ void __launch_bounds__(kThreads, 1) kernel(const __grid_constant__ Work work) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(128) std::byte shared_memory[];
  const Shared& s = work.shared;
  const Memory memory(shared_memory, layout<Format>(s.units, s.tokens, s.chunks, work.extra_bytes()));
  Feed<Format, TilesOf<Work>> feed({work, static_cast<int>(blockIdx.x)}, s.units, shared_memory);
  const NormWeights norm(s);
  wait_for_previous_kernel();
  work.prepare(memory.extra);
  load_activations<Format>(s, memory.x, memory.starts, norm, memory.stats, memory.factors);
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
  // Of a multiprocessor's 227 KiB, as measured: rings that are longer only make the activations wait behind
  // weights.
  constexpr int64_t kRoom = (Format::kIsHalf ? 113 : 150) << 10;
  Cuda::State& state = cuda.state();
  Shared& s = work.shared;
  const auto total = [&](int units) {
    return layout<Format>(units, s.tokens, s.chunks, work.extra_bytes()).total;
  };
  s.units = units_in(kRoom, total);
  if (s.units < 2) s.units = units_in(static_cast<int64_t>(state.properties.sharedMemPerBlockOptin), total);
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
