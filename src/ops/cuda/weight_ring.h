// The products of decoding: every weight is read once, at the speed of the memory. A block's one producer warp streams the rows of
// its tiles through a ring in shared memory with the bulk copy engine; eight warps multiply, each its columns of every stage,
// and their sums are added in a fixed order. All weights of at most eight tokens' products pass through this one kernel; what a
// product does before (the norm) and after (residual, rotation, cache, gate) is its Work's.
//
// Launches overlap (programmatic dependent launch): a block fills its ring while the kernel before it still runs, because weights
// never depend on that kernel; activations are read after `griddepcontrol.wait`. A block uses at most half of the shared memory
// where the activations allow it, so that the next kernel's ring fits beside it.
//
// The sum of a token depends on its row alone: tokens are columns of the tensor cores' tiles.
#pragma once

#include <algorithm>

#include "base/cuda/state.h"
#include "ops/cuda/weight_format.h"

namespace poro::few_rows {

constexpr int kMaxTokens = 8;
constexpr int kTileRows = 16;     // A tile: eight "low" rows and eight "high" rows, which may lie anywhere.
constexpr int kChunkBytes = 64;
constexpr int kStageChunks = 16;   // Of each row.
constexpr int kRowStride = 1088;   // Room for either format's four blocks. Two rows of a quarter warp's read fall into different banks.
constexpr int kStageBytes = kTileRows * kRowStride;
constexpr int kWarps = 8;                     // That multiply.
constexpr int kThreads = (kWarps + 1) * 32;
constexpr int kPartialFloats = kWarps * kTileRows * kMaxTokens;
constexpr int kMostTokens = 64;  // Of any kernel.

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
    return {values + first * pitch, scales == nullptr ? nullptr : scales + first, static_cast<int>(left < 0 ? 0 : left < 8 ? left : 8)};
  }
};

// What all products share.
struct Shared {
  const __nv_bfloat16* x = nullptr;  // (T, I)
  const void* norm = nullptr;        // (I) or none: x passes through RmsNorm first.
  bool is_norm_f32 = false;
  float eps = 0;
  int tokens = 0;
  int inputs = 0;
  int x_stride = 0;   // Elements from token to token of x.
  int chunks = 0;     // Of a row of weights.
  int num_tiles = 0;
  int num_stages = 0;  // Of the ring.
  int prefetched_stages = 0;  // That follow the ring's first to the L2 cache.
  int stages_at_trigger = 0;
};

__device__ inline uint32_t shared_address(const void* pointer) { return static_cast<uint32_t>(__cvta_generic_to_shared(pointer)); }
__device__ inline void barrier_init(uint64_t* barrier, int count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count) : "memory");
}
__device__ inline void barrier_arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
__device__ inline void barrier_expect(uint64_t* barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes) : "memory");
}
__device__ inline void barrier_wait(uint64_t* barrier, uint32_t parity) {
  asm volatile(
      "{\n.reg .pred done;\nagain:\nmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n@!done bra again;\n}\n" ::"r"(
          shared_address(barrier)),
      "r"(parity)
      : "memory");
}
// Weights are read once: they leave the L2 cache first.
__device__ inline uint64_t stream_policy() {
  uint64_t policy;
  asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}
__device__ inline void bulk_copy(void* to, const void* from, uint32_t bytes, uint64_t* barrier, uint64_t policy) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1], %2, [%3], %4;" ::"r"(shared_address(to)),
      "l"(from), "r"(bytes), "r"(shared_address(barrier)), "l"(policy)
      : "memory");
}
__device__ inline void wait_for_previous_kernel() { asm volatile("griddepcontrol.wait;" ::: "memory"); }
__device__ inline void let_next_kernel_start() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }
// Among the multiplying warps.
__device__ inline void sync_warps() { asm volatile("bar.sync 1, %0;" ::"n"(kWarps * 32) : "memory"); }

// Where a chunk of a row lies.
template <class Format>
__host__ __device__ constexpr int chunk_at(int chunk) {
  return chunk / 4 * Format::kBlockBytes + chunk % 4 * kChunkBytes;
}
// Bytes of a token's activations in shared memory.
template <class Format>
__host__ __device__ constexpr int token_stride(int chunks) {
  const int bytes = chunks * Format::kChunkColumns * 2;
  return bytes + (bytes % 128 == 0 ? 64 : 128);  // 64 modulo 128: two tokens of a quarter warp's read fall into different banks.
}

constexpr int kMaxStages = 16;
// In this order: ring, activations, partial sums, what the Work wants, then what is small.
struct Corner {
  uint64_t full[kMaxStages], empty[kMaxStages];
  float warp_stats[kWarps][kMostTokens][2];
  float factors[kMostTokens];  // What f16 activations were divided by.
};

template <class Format>
__host__ __device__ constexpr int64_t shared_bytes(int num_stages, int tokens, int chunks, int extra_bytes) {
  return int64_t{num_stages} * kStageBytes + int64_t{tokens} * token_stride<Format>(chunks) +
         2 * kPartialFloats * int64_t{sizeof(float)} + extra_bytes + int64_t{sizeof(Corner)};
}

// The tiles of a block, and which chunks of their rows: from a multiple of four.
struct Route {
  int first_tile, tile_step, begin, end;

  __device__ int stages_of_tile() const { return (end - begin + kStageChunks - 1) / kStageChunks; }
};

// Row `row` of a tile, for the lane that copies it.
struct TileRow {
  const std::byte* values;
  int rows_of_tile;
  bool is_there;
};
template <class Format, class Work>
__device__ TileRow tile_row(const Work& work, int tile, int row) {
  const HalfTile low = work.low(tile), high = work.high(tile);
  const bool is_low = row < 8, is_there = row % 8 < (is_low ? low.rows : high.rows);
  if (Format::kHasRowScales && is_there) asm volatile("prefetch.global.L2 [%0];" ::"l"((is_low ? low.scales : high.scales) + row % 8));
  return {(is_low ? low.values : high.values) + row % 8 * work.pitch(), low.rows + high.rows, is_there};
}

// Starts to bring `count` stages from `first` on to the L2 cache.
template <class Format, class Work>
__device__ void prefetch_stages(const Work& work, const Route& route, int first, int count) {
  const int lane = threadIdx.x % 32, per_tile = route.stages_of_tile();
  if (lane >= kTileRows) return;
  for (int stage = first; stage < first + count; ++stage) {
    const int tile = route.first_tile + stage / per_tile * route.tile_step;
    if (tile >= work.shared.num_tiles) return;
    const TileRow row = tile_row<Format>(work, tile, lane);
    const int begin = route.begin + stage % per_tile * kStageChunks;
    const int bytes = chunk_at<Format>(min(begin + kStageChunks, route.end)) - chunk_at<Format>(begin);
    if (row.is_there)
      asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(row.values + chunk_at<Format>(begin)), "r"(bytes) : "memory");
  }
}

// The producer: one warp; lane r copies row r of the tile. The next kernel may start when few stages are left to ask for: early enough
// to be there when this one's last answers come, late enough that its own first requests keep the memory busy then.
template <class Format, class Work>
__device__ void produce(const Work& work, const Route& route, std::byte* ring, Corner& corner) {
  const Shared& s = work.shared;
  const int lane = threadIdx.x % 32;
  const uint64_t policy = stream_policy();
  const int my_tiles = route.first_tile < s.num_tiles ? (s.num_tiles - route.first_tile - 1) / route.tile_step + 1 : 0;
  int slot = 0, left = my_tiles * route.stages_of_tile(), done = 0;
  uint32_t parity = 1;
  for (int tile = route.first_tile; tile < s.num_tiles; tile += route.tile_step) {
    const TileRow row = tile_row<Format>(work, tile, lane % kTileRows);
    for (int begin = route.begin; begin < route.end; begin += kStageChunks) {
      const int bytes = chunk_at<Format>(min(begin + kStageChunks, route.end)) - chunk_at<Format>(begin);
      if (done++ == s.num_stages) prefetch_stages<Format>(work, route, s.num_stages, s.prefetched_stages);
      if (left-- == s.stages_at_trigger) let_next_kernel_start();
      barrier_wait(&corner.empty[slot], parity);
      if (lane == 0) barrier_expect(&corner.full[slot], row.rows_of_tile * bytes);
      __syncwarp();
      if (row.is_there && lane < kTileRows)
        bulk_copy(ring + slot * kStageBytes + lane * kRowStride, row.values + chunk_at<Format>(begin), bytes, &corner.full[slot], policy);
      if (++slot == s.num_stages) slot = 0, parity ^= 1;
    }
  }
  let_next_kernel_start();
}

__device__ inline float2 widen_pair(uint32_t pair) { return {__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u)}; }
__device__ inline uint32_t round_pair(float a, float b) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(a, b);
  return reinterpret_cast<const uint32_t&>(pair);
}

// Eight norm weights.
__device__ inline void load_norm(const Shared& s, int column, float (&w)[8]) {
  if (s.is_norm_f32) {
    const float4* from = reinterpret_cast<const float4*>(static_cast<const float*>(s.norm) + column);
    const float4 a = from[0], b = from[1];
    w[0] = a.x, w[1] = a.y, w[2] = a.z, w[3] = a.w, w[4] = b.x, w[5] = b.y, w[6] = b.z, w[7] = b.w;
  } else {
    const uint4 raw = *reinterpret_cast<const uint4*>(static_cast<const __nv_bfloat16*>(s.norm) + column);
    const uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
    for (int i = 0; i < 4; ++i) {
      const float2 pair = widen_pair(words[i]);
      w[2 * i] = pair.x, w[2 * i + 1] = pair.y;
    }
  }
}

// Where eight columns lie in a token's activations: the order of the format's pieces.
template <class Format>
__device__ inline int piece_place(int piece) {
  return Format::kPieces == 1 ? piece : (piece & ~7) | (piece & 1) << 2 | (piece & 7) >> 1;
}

// Calls body(piece, norm weights) for the pieces of this thread. The norm weights of the first few are those that `NormWeights`
// took to registers while the kernel before this one was running.
struct NormWeights {
  static constexpr int kHeld = 4;
  float held[kHeld][8];

  __device__ explicit NormWeights(const Shared& s) {
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
      const int piece = threadIdx.x + i * kWarps * 32;
      if (s.norm != nullptr && piece < s.inputs / 8) load_norm(s, piece * 8, held[i]);
    }
  }
  template <class Body>
  __device__ void for_pieces(const Shared& s, const Body& body) const {
    const int pieces = s.inputs / 8;
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
      const int piece = threadIdx.x + i * kWarps * 32;
      if (piece < pieces) body(piece, held[i]);
    }
    for (int piece = threadIdx.x + kHeld * kWarps * 32; piece < pieces; piece += kWarps * 32) {
      float w[8];
      if (s.norm != nullptr) load_norm(s, piece * 8, w);
      body(piece, w);
    }
  }
};

// The activations of all tokens to shared memory as they are, in the format's order, zeros up to whole chunks.
template <class Format>
__device__ void copy_activations(const Shared& s, std::byte* x) {
  const int stride = token_stride<Format>(s.chunks);
  const int pieces = s.inputs / 8, all_pieces = s.chunks * Format::kChunkColumns / 8;
  for (int t = 0; t < s.tokens; ++t)
    for (int piece = threadIdx.x; piece < all_pieces; piece += kWarps * 32) {
      std::byte* at = x + t * stride + piece_place<Format>(piece) * 16;
      if (piece < pieces)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(at)), "l"(s.x + int64_t{t} * s.x_stride + piece * 8) : "memory");
      else
        *reinterpret_cast<uint4*>(at) = {0, 0, 0, 0};
    }
  asm volatile("cp.async.wait_all;" ::: "memory");
}

// What each token's activations must be multiplied by: the norm, and for f16 the power of two.
struct TokenScale {
  float rstd, power;
};

// The sums of squares and largest magnitudes of the tokens, each warp its share, then together.
template <class Format>
__device__ void measure_activations(const Shared& s, const std::byte* x, const NormWeights& norm, Corner& corner) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int t = 0; t < s.tokens; ++t) {
    float squares = 0, largest = 0;
    norm.for_pieces(s, [&](int piece, const float (&w)[8]) {
      const uint4 raw = *reinterpret_cast<const uint4*>(x + t * token_stride<Format>(s.chunks) + piece_place<Format>(piece) * 16);
      const uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
      for (int i = 0; i < 4; ++i) {
        float2 v = widen_pair(words[i]);
        squares += v.x * v.x + v.y * v.y;
        if (s.norm != nullptr) v.x *= w[2 * i], v.y *= w[2 * i + 1];
        largest = fmaxf(largest, fmaxf(fabsf(v.x), fabsf(v.y)));
      }
    });
    for (int offset = 16; offset > 0; offset /= 2) {
      squares += __shfl_xor_sync(0xffffffffu, squares, offset);
    }
    largest = __uint_as_float(__reduce_max_sync(0xffffffffu, __float_as_uint(largest)));  // Ordered as integers are, being positive.
    if (lane == 0) corner.warp_stats[warp][t][0] = squares, corner.warp_stats[warp][t][1] = largest;
  }
  sync_warps();
}

template <class Format>
__device__ TokenScale token_scale(const Shared& s, int token, Corner& corner) {
  float squares = 0, largest = 0;
  for (int w = 0; w < kWarps; ++w) {
    squares += corner.warp_stats[w][token][0];
    largest = fmaxf(largest, corner.warp_stats[w][token][1]);
  }
  const float rstd = s.norm == nullptr ? 1.0f : rsqrtf(squares / static_cast<float>(s.inputs) + s.eps);
  if (!Format::kIsHalf) return {rstd, 1.0f};
  // The power of two that takes the largest magnitude to [2^13, 2^14): what rounding may add stays in range.
  const int exponent = max(27, min(227, static_cast<int>(__float_as_uint(largest * rstd) >> 23)));  // 127 for [1, 2).
  if (threadIdx.x == 0) corner.factors[token] = __uint_as_float(static_cast<uint32_t>(exponent - 13) << 23);
  return {rstd, __uint_as_float(static_cast<uint32_t>(254 + 13 - exponent) << 23)};
}

// The activations as the product takes them: normed where it has a norm, in f16 where the format wants that.
template <class Format>
__device__ void load_activations(const Shared& s, std::byte* x, const NormWeights& norm, Corner& corner) {
  copy_activations<Format>(s, x);
  if (s.norm == nullptr && !Format::kIsHalf) return;
  measure_activations<Format>(s, x, norm, corner);
  for (int t = 0; t < s.tokens; ++t) {
    const TokenScale scale = token_scale<Format>(s, t, corner);
    norm.for_pieces(s, [&](int piece, const float (&w)[8]) {
      uint4* at = reinterpret_cast<uint4*>(x + t * token_stride<Format>(s.chunks) + piece_place<Format>(piece) * 16);
      const uint4 raw = *at;
      uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
      for (int i = 0; i < 4; ++i) {
        float2 v = widen_pair(words[i]);
        if (s.norm != nullptr) {
          words[i] = round_pair(v.x * scale.rstd * w[2 * i], v.y * scale.rstd * w[2 * i + 1]);
          v = widen_pair(words[i]);
        }
        if constexpr (Format::kIsHalf) {
          const __half2 pair = __floats2half2_rn(v.x * scale.power, v.y * scale.power);
          words[i] = reinterpret_cast<const uint32_t&>(pair);
        }
      }
      *at = {words[0], words[1], words[2], words[3]};
    });
  }
}

// Where a thread of finish_tile stands: two of the warps finish a tile, in turn.
struct Place {
  bool is_mine;
  int row, token;

  __device__ Place(int turn, int tokens) {
    const int element = static_cast<int>(threadIdx.x) - turn % (kWarps / 2) * 64;
    row = element / kMaxTokens % 8, token = element % kMaxTokens;
    is_mine = element >= 0 && element < 64 && token < tokens;
  }
};

// What a thread needs of memory to finish a tile: asked for before the tile's last stages, so that it has come by the end.
template <class Work>
struct Finish {
  bool has_low, has_high;
  float low_scale = 1, high_scale = 1;
  typename Work::Ahead ahead;

  template <class Format>
  __device__ void load(const Work& work, int tile, const Place& place) {
    if (!place.is_mine) return;
    const HalfTile low = work.low(tile), high = work.high(tile);
    has_low = place.row < low.rows, has_high = place.row < high.rows;
    if constexpr (Format::kHasRowScales) {
      if (has_low) low_scale = low.scales[place.row];
      if (has_high) high_scale = high.scales[place.row];
    }
    ahead = work.load(tile, place.row, place.token, has_low, has_high);
  }
  // Eight warps' sums of a tile, added in their order, to the Work.
  template <class Format>
  __device__ void store(const Work& work, int tile, const Place& place, const float* partials, const std::byte* extra, const Corner& corner) const {
    if (!place.is_mine) return;
    float low = 0, high = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) {
      low += partials[(w * kTileRows + place.row) * kMaxTokens + place.token];
      high += partials[(w * kTileRows + place.row + 8) * kMaxTokens + place.token];
    }
    if constexpr (Format::kIsHalf) low *= corner.factors[place.token], high *= corner.factors[place.token];
    if constexpr (Format::kHasRowScales) low *= low_scale, high *= high_scale;
    work.store(tile, place.row, place.token, low, high, has_low, has_high, ahead, extra);
  }
};

// Of the two groups of a chunk, of the low and the high row.
struct GroupScales {
  uint32_t low = 0, high = 0;
};
template <class Format>
__device__ inline GroupScales group_scales(const std::byte* row, int chunk) {
  if constexpr (!Format::kHasGroupScales) return {};
  const std::byte* at = row + chunk / 4 * Format::kBlockBytes + 4 * kChunkBytes + chunk % 4 * 4;
  return {*reinterpret_cast<const uint32_t*>(at), *reinterpret_cast<const uint32_t*>(at + 8 * kRowStride)};
}

template <class Format, class Work>
__device__ void consume(const Work& work, const std::byte* ring, const std::byte* x, float* partials, const std::byte* extra, Corner& corner) {
  const Shared& s = work.shared;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, c = lane % 4;
  const bool has_token = g < s.tokens;
  const std::byte* my_x = x + (has_token ? g : 0) * token_stride<Format>(s.chunks) + c * 16;
  const int ask_at = max(0, (s.chunks - 1) / kStageChunks - 1) * kStageChunks;
  int slot = 0, turn = 0;
  uint32_t parity = 0;
  for (int tile = blockIdx.x; tile < s.num_tiles; tile += gridDim.x, ++turn) {
    Sums sums;
    const Place place(turn, s.tokens);
    Finish<Work> finish;
    for (int first = 0; first < s.chunks; first += kStageChunks) {
      if (first == ask_at) finish.template load<Format>(work, tile, place);
      barrier_wait(&corner.full[slot], parity);
      const std::byte* row = ring + slot * kStageBytes + g * kRowStride;
#pragma unroll
      for (int i = 0; i < kStageChunks / kWarps; ++i) {
        const int chunk = warp + i * kWarps;
        if (first + chunk >= s.chunks) break;
        const std::byte* w = row + chunk_at<Format>(chunk) + c * 16;
        const uint4 low = *reinterpret_cast<const uint4*>(w), high = *reinterpret_cast<const uint4*>(w + 8 * kRowStride);
        uint4 pieces[Format::kPieces] = {};
        if (has_token)
          for (int j = 0; j < Format::kPieces; ++j)
            pieces[j] = *reinterpret_cast<const uint4*>(my_x + (first + chunk) * Format::kPieces * 64 + j * 64);
        const GroupScales scales = group_scales<Format>(row, chunk);
        Format::add(sums, Format::widen(low, high), pieces, scales.low, scales.high);
      }
      __syncwarp();
      if (lane == 0) barrier_arrive(&corner.empty[slot]);
      if (++slot == s.num_stages) slot = 0, parity ^= 1;
    }
    // Two buffers: the one of this turn was read before the barrier of the last.
    float* mine = partials + turn % 2 * kPartialFloats + warp * kTileRows * kMaxTokens;
    *reinterpret_cast<float2*>(mine + g * kMaxTokens + 2 * c) = {sums.low[0], sums.low[1]};
    *reinterpret_cast<float2*>(mine + (g + 8) * kMaxTokens + 2 * c) = {sums.high[0], sums.high[1]};
    sync_warps();
    finish.template store<Format>(work, tile, place, partials + turn % 2 * kPartialFloats, extra, corner);
  }
}

__device__ inline void init_ring(const Shared& s, Corner& corner) {
  if (threadIdx.x == 0) {
    for (int slot = 0; slot < s.num_stages; ++slot) {
      barrier_init(&corner.full[slot], 1);
      barrier_init(&corner.empty[slot], kWarps);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
}

template <class Format, class Work>
__global__ void __launch_bounds__(kThreads, 1) kernel(const __grid_constant__ Work work) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(128) std::byte memory[];
  const Shared& s = work.shared;
  std::byte* ring = memory;
  std::byte* x = ring + s.num_stages * kStageBytes;
  float* partials = reinterpret_cast<float*>(x + s.tokens * token_stride<Format>(s.chunks));
  std::byte* extra = reinterpret_cast<std::byte*>(partials + 2 * kPartialFloats);
  Corner& corner = *reinterpret_cast<Corner*>(extra + work.extra_bytes());
  init_ring(s, corner);
  const Route route = {static_cast<int>(blockIdx.x), static_cast<int>(gridDim.x), 0, s.chunks};
  if (threadIdx.x >= kWarps * 32) return produce<Format>(work, route, ring, corner);
  const NormWeights norm(s);
  wait_for_previous_kernel();
  work.prepare(extra);
  load_activations<Format>(s, x, norm, corner);
  sync_warps();
  consume<Format>(work, ring, x, partials, extra, corner);
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

// Sets the number of stages and launches. False when the activations leave no room for a ring.
template <class Format, class Work>
bool launch(Cuda& cuda, Work work) {
  constexpr int64_t kHalf = 113 << 10;  // A multiprocessor's shared memory, shared by two blocks that take 1 KiB more than they ask for.
  Cuda::State& state = cuda.state();
  Shared& s = work.shared;
  const auto bytes_with = [&](int stages) { return shared_bytes<Format>(stages, s.tokens, s.chunks, work.extra_bytes()); };
  const auto stages_in = [&](int64_t bytes) { return static_cast<int>(std::clamp<int64_t>((bytes - bytes_with(0)) / kStageBytes, 0, kMaxStages)); };
  s.num_stages = stages_in(kHalf);
  if (s.num_stages < 4) s.num_stages = stages_in(static_cast<int64_t>(state.properties.sharedMemPerBlockOptin));
  if (s.num_stages < 3) return false;
  s.stages_at_trigger = 8;
  launch_overlapping<kernel<Format, Work>>(cuda, std::min(s.num_tiles, state.num_multiprocessors()), bytes_with(s.num_stages), work);
  return true;
}

// One element of a bf16 or f32 tensor.
__device__ inline float load_value(const void* data, bool is_f32, int64_t index) {
  return is_f32 ? static_cast<const float*>(data)[index] : __bfloat162float(static_cast<const __nv_bfloat16*>(data)[index]);
}
__device__ inline void store_value(void* data, bool is_f32, int64_t index, float value) {
  if (is_f32)
    static_cast<float*>(data)[index] = value;
  else
    static_cast<__nv_bfloat16*>(data)[index] = __float2bfloat16_rn(value);
}

}  // namespace poro::few_rows
