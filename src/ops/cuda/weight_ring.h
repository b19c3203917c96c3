// The products of decoding: every weight is read once, at the speed of the memory. Each of a block's eight
// warps has a ring of its own in shared memory: a lane copies there, several units ahead and without
// stopping, just the bytes that it will hand to the tensor cores, so no lane waits for another until a tile's
// sums are added, in a fixed order. (One warp that feeds all through the bulk copy engine was slower: a copy
// costs it 80 clocks, so rows in pieces of 1 KiB come at 3.2 TB/s.) All products of at most eight tokens pass
// through this one kernel; what a product does before (the norm) and after (residual, rotation, cache, gate)
// is its Work's.
//
// Launches overlap (programmatic dependent launch): a block fills its ring while the kernel before it still
// runs, because weights never depend on that kernel; activations are read after `griddepcontrol.wait`. A
// block uses at most half of the shared memory where the activations allow it, so that the next kernel's ring
// fits beside it.
//
// The sum of a token depends on its row alone: tokens are columns of the tensor cores' tiles.
#pragma once

#include <algorithm>

#include "base/cuda/state.h"
#include "ops/cuda/weight_format.h"

namespace poro::few_rows {

constexpr int kMaxTokens = 8;
constexpr int kTileRows = 16;  // A tile: eight "low" rows and eight "high" rows, which may lie anywhere.
constexpr int kChunkBytes = 64;
constexpr int kBlockChunks = 4;  // A unit of the ring: a block of each of the tile's rows.
constexpr int kWarps = 8;
constexpr int kThreads = kWarps * 32;
constexpr int kMostUnits = 6;  // In a warp's ring.

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
    return {values + first * pitch, scales == nullptr ? nullptr : scales + first,
            static_cast<int>(left < 0   ? 0
                             : left < 8 ? left
                                        : 8)};
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
  int x_stride = 0;  // Elements from token to token of x.
  int chunks = 0;    // Of a row of weights.
  int num_tiles = 0;
  int units = 0;             // In a warp's ring.
  int units_at_trigger = 0;  // Left to ask for when the next kernel may start.
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

// Bytes of a token's activations in shared memory.
template <class Format>
__host__ __device__ constexpr int token_stride(int chunks) {
  const int bytes = chunks * Format::kChunkColumns * 2;
  return bytes +
         (bytes % 128 == 0
              ? 64
              : 128);  // 64 modulo 128: two tokens of a quarter warp's read fall into different banks.
}
template <class Format>
__host__ __device__ constexpr int unit_bytes() {
  return kTileRows * (kBlockChunks * kChunkBytes + (Format::kHasGroupScales ? 16 : 0));
}

// Where things lie in a block's shared memory, from its start.
struct Layout {
  int x, partials, extra, stats, factors, ticket, total;
};
// `partial_floats`: of all warps; `extra_bytes`: what the Work wants.
template <class Format>
__host__ __device__ constexpr Layout layout(int units, int tokens, int chunks, int partial_floats,
                                            int extra_bytes) {
  Layout at = {};
  at.x = kWarps * units * unit_bytes<Format>();
  at.partials = at.x + tokens * token_stride<Format>(chunks);
  at.extra = at.partials + partial_floats * 4;
  at.stats = at.extra + extra_bytes;
  at.factors = at.stats + kWarps * tokens * 8;
  at.ticket = at.factors + tokens * 4;
  at.total = at.ticket + 4;
  return at;
}

// The tiles of a block, and which chunks of their rows: from a multiple of four.
struct Route {
  int first_tile, tile_step, begin, end;
};

// A warp's ring. Units come in the order of tiles, and of blocks warp, warp + 8, ... of a tile's rows.
template <class Format, class Work>
class Feed {
 public:
  __device__ Feed(const Work& work, const Route& route, std::byte* ring)
      : work_(work),
        route_(route),
        lane_(threadIdx.x % 32),
        warp_(threadIdx.x / 32),
        ring_(ring + warp_ * work.shared.units * unit_bytes<Format>()),
        tile_(route.first_tile),
        chunk_(first_chunk()) {
    const int per_tile = (route.end - first_chunk() + kStep - 1) / kStep;
    const int tiles =
        tile_ < work.shared.num_tiles ? (work.shared.num_tiles - tile_ - 1) / route.tile_step + 1 : 0;
    left_ = per_tile > 0 ? per_tile * tiles : 0;
    find_rows();
    if (left_ < work.shared.units_at_trigger) let_next_kernel_start();
    for (int i = 0; i < work.shared.units; ++i) ask();
  }

  __device__ int first_chunk() const { return route_.begin + warp_ * kBlockChunks; }
  static constexpr int kStep = kWarps * kBlockChunks;

  // The oldest unit: for chunk i, 16 bytes of each lane's low row at 1024 i + 16 lane and of its high row 512
  // further on.
  __device__ const std::byte* wait() {
    switch (work_.shared.units) {
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
    if (Format::kHasGroupScales) __syncwarp();  // Lanes read scales that others copied.
    return ring_ + out_ * unit_bytes<Format>();
  }
  // Gives the oldest unit's place to the next one.
  __device__ void next() {
    if (++out_ == work_.shared.units) out_ = 0;
    if (Format::kHasGroupScales) __syncwarp();
    ask();
  }

 private:
  // The rows of the tile that this lane copies.
  __device__ void find_rows() {
    if (left_ <= 0) return;
    const HalfTile low = work_.low(tile_), high = work_.high(tile_);
    const int g = lane_ / 4, offset = lane_ % 4 * 16;
    has_low_ = g < low.rows, has_high_ = g < high.rows;
    low_ = low.values + g * work_.pitch() + offset;
    high_ = high.values + g * work_.pitch() + offset;
    if constexpr (Format::kHasGroupScales) {
      const int row = lane_ % 8;
      has_scales_ = lane_ < kTileRows && row < (lane_ < 8 ? low.rows : high.rows);
      scales_ = (lane_ < 8 ? low.values : high.values) + row * work_.pitch() + kBlockChunks * kChunkBytes;
    }
  }

  __device__ void ask() {
    if (left_ > 0) {
      std::byte* to = ring_ + in_ * unit_bytes<Format>();
      const int at = chunk_ / kBlockChunks * Format::kBlockBytes;
#pragma unroll
      for (int i = 0; i < kBlockChunks; ++i) {
        if (chunk_ + i >= route_.end) break;
        if (has_low_) copy_16(to + i * 1024 + lane_ * 16, low_ + at + i * kChunkBytes);
        if (has_high_) copy_16(to + i * 1024 + 512 + lane_ * 16, high_ + at + i * kChunkBytes);
      }
      if constexpr (Format::kHasGroupScales)
        if (has_scales_) copy_16(to + kBlockChunks * 1024 + lane_ * 16, scales_ + at);
      if (left_-- == work_.shared.units_at_trigger) let_next_kernel_start();
      chunk_ += kStep;
      if (chunk_ >= route_.end) {
        tile_ += route_.tile_step;
        chunk_ = first_chunk();
        find_rows();
      }
      if (++in_ == work_.shared.units) in_ = 0;
    }
    end_group();
  }

  const Work& work_;
  const Route& route_;
  const int lane_, warp_;
  std::byte* const ring_;
  int tile_, chunk_, left_ = 0, in_ = 0, out_ = 0;
  const std::byte *low_ = nullptr, *high_ = nullptr, *scales_ = nullptr;
  bool has_low_ = false, has_high_ = false, has_scales_ = false;
};

__device__ inline float2 widen_pair(uint32_t pair) {
  return {__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u)};
}
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

// Calls body(piece, norm weights) for the pieces of this thread. The norm weights of the first few are those
// that `NormWeights` took to registers while the kernel before this one was running.
struct NormWeights {
  static constexpr int kHeld = 4;
  float held[kHeld][8];

  __device__ explicit NormWeights(const Shared& s) {
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
      const int piece = threadIdx.x + i * kThreads;
      if (s.norm != nullptr && piece < s.inputs / 8) load_norm(s, piece * 8, held[i]);
    }
  }
  template <class Body>
  __device__ void for_pieces(const Shared& s, const Body& body) const {
    const int pieces = s.inputs / 8;
#pragma unroll
    for (int i = 0; i < kHeld; ++i) {
      const int piece = threadIdx.x + i * kThreads;
      if (piece < pieces) body(piece, held[i]);
    }
    for (int piece = threadIdx.x + kHeld * kThreads; piece < pieces; piece += kThreads) {
      float w[8];
      if (s.norm != nullptr) load_norm(s, piece * 8, w);
      body(piece, w);
    }
  }
};

// The activations of all tokens to shared memory as they are, in the format's order, zeros up to whole
// chunks. What kernels before have written is read past the L1 cache, here and below: this block may be older
// than those writes.
template <class Format>
__device__ void copy_activations(const Shared& s, std::byte* x) {
  const int stride = token_stride<Format>(s.chunks);
  const int pieces = s.inputs / 8, all_pieces = s.chunks * Format::kChunkColumns / 8;
  for (int t = 0; t < s.tokens; ++t) {
    const uint4* from = reinterpret_cast<const uint4*>(s.x + int64_t{t} * s.x_stride);
#pragma unroll 4
    for (int piece = threadIdx.x; piece < all_pieces; piece += kThreads)
      *reinterpret_cast<uint4*>(x + t * stride + piece_place<Format>(piece) * 16) =
          piece < pieces ? __ldcg(from + piece) : uint4{0, 0, 0, 0};
  }
}

// What each token's activations must be multiplied by: the norm, and for f16 the power of two.
struct TokenScale {
  float rstd, power;
};

// The sums of squares and largest magnitudes of the tokens, each warp its share, then together.
template <class Format>
__device__ void measure_activations(const Shared& s, const std::byte* x, const NormWeights& norm,
                                    float* stats) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int t = 0; t < s.tokens; ++t) {
    float squares = 0, largest = 0;
    norm.for_pieces(s, [&](int piece, const float(&w)[8]) {
      const uint4 raw = *reinterpret_cast<const uint4*>(x + t * token_stride<Format>(s.chunks) +
                                                        piece_place<Format>(piece) * 16);
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
    largest = __uint_as_float(__reduce_max_sync(
        0xffffffffu, __float_as_uint(largest)));  // Ordered as integers are, being positive.
    if (lane == 0) reinterpret_cast<float2*>(stats)[warp * s.tokens + t] = {squares, largest};
  }
  __syncthreads();
}

template <class Format>
__device__ TokenScale token_scale(const Shared& s, int token, const float* stats, float* factors) {
  float squares = 0, largest = 0;
  for (int w = 0; w < kWarps; ++w) {
    const float2 of_warp = reinterpret_cast<const float2*>(stats)[w * s.tokens + token];
    squares += of_warp.x;
    largest = fmaxf(largest, of_warp.y);
  }
  const float rstd = s.norm == nullptr ? 1.0f : rsqrtf(squares / static_cast<float>(s.inputs) + s.eps);
  if (!Format::kIsHalf) return {rstd, 1.0f};
  // The power of two that takes the largest magnitude to [2^13, 2^14): what rounding may add stays in range.
  const int exponent =
      max(27, min(227, static_cast<int>(__float_as_uint(largest * rstd) >> 23)));  // 127 for [1, 2).
  if (threadIdx.x == 0) factors[token] = __uint_as_float(static_cast<uint32_t>(exponent - 13) << 23);
  return {rstd, __uint_as_float(static_cast<uint32_t>(254 + 13 - exponent) << 23)};
}

// The activations as the product takes them: normed where it has a norm, in f16 where the format wants that.
template <class Format>
__device__ void load_activations(const Shared& s, std::byte* x, const NormWeights& norm, float* stats,
                                 float* factors) {
  copy_activations<Format>(s, x);
  if (s.norm == nullptr && !Format::kIsHalf) return;
  measure_activations<Format>(s, x, norm, stats);
  for (int t = 0; t < s.tokens; ++t) {
    const TokenScale scale = token_scale<Format>(s, t, stats, factors);
    norm.for_pieces(s, [&](int piece, const float(&w)[8]) {
      uint4* at =
          reinterpret_cast<uint4*>(x + t * token_stride<Format>(s.chunks) + piece_place<Format>(piece) * 16);
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

// Where a thread stands that finishes a tile: two of the warps do, in turn.
struct Place {
  bool is_mine;
  int row, token;

  __device__ Place(int turn, int tokens) {
    const int element = static_cast<int>(threadIdx.x) - turn % (kWarps / 2) * 64;
    row = element / kMaxTokens % 8, token = element % kMaxTokens;
    is_mine = element >= 0 && element < 64 && token < tokens;
  }
};

// A warp's partial sums of a tile: 16 rows of so many floats, one warp after the other; two of them, in turn.
__host__ __device__ constexpr int partial_width(int tokens) {
  return (tokens + 1) / 2 * 2;
}
__host__ __device__ constexpr int partial_floats(int tokens) {
  return 2 * kWarps * kTileRows * partial_width(tokens);
}

// What a thread needs of memory to finish a tile: asked for when the tile begins.
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
  __device__ void store(const Work& work, int tile, const Place& place, const float* partials,
                        const std::byte* extra, const float* factors) const {
    if (!place.is_mine) return;
    const int width = partial_width(work.shared.tokens);
    float low = 0, high = 0;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) {
      low += partials[(w * kTileRows + place.row) * width + place.token];
      high += partials[(w * kTileRows + place.row + 8) * width + place.token];
    }
    if constexpr (Format::kIsHalf) low *= factors[place.token], high *= factors[place.token];
    if constexpr (Format::kHasRowScales) low *= low_scale, high *= high_scale;
    work.store(tile, place.row, place.token, low, high, has_low, has_high, ahead, extra);
  }
};

// Calls body(chunk of the row, operands, scales of the low and the high row) for the chunks of a unit.
template <class Format, class Body>
__device__ inline void for_chunks(const std::byte* unit, int first, int end, const Body& body) {
  const int lane = threadIdx.x % 32;
  const std::byte* scales = unit + kBlockChunks * 1024 + lane / 4 * 16;
  const auto one = [&](int i) {
    const uint4 low = *reinterpret_cast<const uint4*>(unit + i * 1024 + lane * 16);
    const uint4 high = *reinterpret_cast<const uint4*>(unit + i * 1024 + 512 + lane * 16);
    uint32_t low_scales = 0, high_scales = 0;
    if constexpr (Format::kHasGroupScales) {
      low_scales = *reinterpret_cast<const uint32_t*>(scales + i * 4);
      high_scales = *reinterpret_cast<const uint32_t*>(scales + 128 + i * 4);
    }
    body(first + i, Format::widen(low, high), low_scales, high_scales);
  };
  if (first + kBlockChunks <= end) {
#pragma unroll
    for (int i = 0; i < kBlockChunks; ++i) one(i);
  } else {
    for (int i = 0; first + i < end; ++i) one(i);
  }
}

template <class Format, class Work>
__device__ void consume(const Work& work, const Route& route, Feed<Format, Work>& feed, const std::byte* x,
                        float* partials, const std::byte* extra, const float* factors) {
  const Shared& s = work.shared;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, c = lane % 4,
            width = partial_width(s.tokens);
  const bool has_token = g < s.tokens;
  const std::byte* my_x = x + (has_token ? g : 0) * token_stride<Format>(s.chunks) + c * 16;
  int turn = 0;
  for (int tile = route.first_tile; tile < s.num_tiles; tile += route.tile_step, ++turn) {
    Sums sums;
    const Place place(turn, s.tokens);
    Finish<Work> finish;
    finish.template load<Format>(work, tile, place);
    for (int first = feed.first_chunk(); first < s.chunks; first += feed.kStep) {
      for_chunks<Format>(
          feed.wait(), first, s.chunks,
          [&](int chunk, const Operands<Format::kWords>& w, uint32_t low_scales, uint32_t high_scales) {
            uint4 pieces[Format::kPieces] = {};
            if (has_token)
#pragma unroll
              for (int j = 0; j < Format::kPieces; ++j)
                pieces[j] = *reinterpret_cast<const uint4*>(my_x + (chunk * Format::kPieces + j) * 64);
            Format::add(sums, w, pieces, low_scales, high_scales);
          });
      feed.next();
    }
    // Two buffers: the one of this turn was read before the barrier of the last.
    float* of_turn = partials + turn % 2 * kWarps * kTileRows * width;
    if (2 * c < width) {
      float* mine = of_turn + (warp * kTileRows + g) * width + 2 * c;
      *reinterpret_cast<float2*>(mine) = {sums.low[0], sums.low[1]};
      *reinterpret_cast<float2*>(mine + 8 * width) = {sums.high[0], sums.high[1]};
    }
    __syncthreads();
    finish.template store<Format>(work, tile, place, of_turn, extra, factors);
  }
}

template <class Format, class Work>
__global__ void __launch_bounds__(kThreads, 2) kernel(const __grid_constant__ Work work) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(128) std::byte memory[];
  const Shared& s = work.shared;
  const Layout at = layout<Format>(s.units, s.tokens, s.chunks, partial_floats(s.tokens), work.extra_bytes());
  float* factors = reinterpret_cast<float*>(memory + at.factors);
  const Route route = {static_cast<int>(blockIdx.x), static_cast<int>(gridDim.x), 0, s.chunks};
  Feed<Format, Work> feed(work, route, memory);
  const NormWeights norm(s);
  wait_for_previous_kernel();
  work.prepare(memory + at.extra);
  load_activations<Format>(s, memory + at.x, norm, reinterpret_cast<float*>(memory + at.stats), factors);
  __syncthreads();
  consume<Format>(work, route, feed, memory + at.x, reinterpret_cast<float*>(memory + at.partials),
                  memory + at.extra, factors);
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
  // Of a multiprocessor's 227 KiB; the rest is left to the attention kernel before or after. Measured: 80 and 113 are slower, 226 as
  // fast.
  constexpr int64_t kRoom = 150 << 10;
  Cuda::State& state = cuda.state();
  Shared& s = work.shared;
  const auto total = [&](int units) {
    return layout<Format>(units, s.tokens, s.chunks, partial_floats(s.tokens), work.extra_bytes()).total;
  };
  s.units = units_in(kRoom, total);
  if (s.units < 2) s.units = units_in(static_cast<int64_t>(state.properties.sharedMemPerBlockOptin), total);
  if (s.units < 2) return false;
  s.units_at_trigger = 4;
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
