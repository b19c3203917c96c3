// The ring of ops/cuda/weight_ring.h for 9 to 64 tokens, a batch of sequences: still bound by reading the weights once. So many
// activations do not fit in a multiprocessor beside the ring, so the inputs are cut into slices; a block keeps its slice of all
// tokens and streams its tiles' bytes of that slice. Sums of the slices meet in memory: the block that is last at a tile adds them in
// their order and hands them to the Work, so the bits do not depend on which block that is.
#pragma once

#include "ops/cuda/weight_ring.h"

namespace poro::few_rows {

constexpr int kTokenTiles = kMostTokens / 8;

struct Slices {
  int count = 1;
  float* sums = nullptr;         // (slices, tiles, 16, padded tokens)
  unsigned* arrivals = nullptr;  // (tiles): zeros, and zeros again afterwards.
};

__host__ __device__ constexpr int padded_tokens(int tokens) { return (tokens + 7) / 8 * 8; }
// Floats from row to row of a tile's partial sums: four rows of a half warp's write fall into different banks.
__host__ __device__ constexpr int partial_stride(int tokens) { return padded_tokens(tokens) + 8; }

// Where slice `slice` of rows of so many chunks begins: at a block of four chunks.
__host__ __device__ constexpr int slice_begin(int slice, int slices, int chunks) {
  const int begin = slice * ((chunks + 3) / 4) / slices * 4;
  return begin < chunks ? begin : chunks;
}
__host__ __device__ constexpr int longest_slice(int slices, int chunks) { return ((chunks + 3) / 4 + slices - 1) / slices * 4; }

// What a thread of the block's epilogue needs.
template <class Work>
struct Epilogue {
  const Work& work;
  const Slices& slices;
  int slice;
  float* partials;
  const std::byte* extra;
  const float* factors;

  __device__ float* sums_of(int of_slice, int tile) const {
    return slices.sums + (int64_t{of_slice} * work.shared.num_tiles + tile) * kTileRows * padded_tokens(work.shared.tokens);
  }

  template <class Format>
  __device__ void store(int tile, int row, int token, float low, float high) const {
    if (token >= work.shared.tokens) return;
    const HalfTile low_half = work.low(tile), high_half = work.high(tile);
    if constexpr (Format::kHasRowScales) {
      if (row < low_half.rows) low *= low_half.scales[row];
      if (row < high_half.rows) high *= high_half.scales[row];
    }
    const bool has_low = row < low_half.rows, has_high = row < high_half.rows;
    work.store(tile, row, token, low, high, has_low, has_high, work.load(tile, row, token, has_low, has_high), extra);
  }

  // The warps' sums of a tile, added in their order: to memory, or to the Work when there is one slice only.
  template <class Format>
  __device__ void add_warps(int tile) const {
    const int tokens = padded_tokens(work.shared.tokens), stride = partial_stride(work.shared.tokens);
    for (int e = threadIdx.x; e < 8 * tokens; e += kThreads) {
      const int row = e / tokens, token = e % tokens;
      float low = 0, high = 0;
      for (int w = 0; w < kWarps; ++w) {
        low += partials[(w * kTileRows + row) * stride + token];
        high += partials[(w * kTileRows + row + 8) * stride + token];
      }
      if (Format::kIsHalf && token < work.shared.tokens) low *= factors[token], high *= factors[token];
      if (slices.count == 1) {
        store<Format>(tile, row, token, low, high);
      } else {
        float* sums = sums_of(slice, tile);
        __stcg(sums + row * tokens + token, low);
        __stcg(sums + (row + 8) * tokens + token, high);
      }
    }
  }

  // The slices' sums of a tile that all blocks have passed.
  template <class Format>
  __device__ void add_slices(int tile) const {
    const int tokens = padded_tokens(work.shared.tokens);
    __threadfence();
    for (int e = threadIdx.x; e < 8 * tokens; e += kThreads) {
      const int row = e / tokens, token = e % tokens;
      float low = 0, high = 0;
#pragma unroll 4
      for (int other = 0; other < slices.count; ++other) {
        const float* sums = sums_of(other, tile);
        low += __ldcg(sums + row * tokens + token);
        high += __ldcg(sums + (row + 8) * tokens + token);
      }
      store<Format>(tile, row, token, low, high);
    }
    if (threadIdx.x == 0) slices.arrivals[tile] = 0;
  }
};

template <class Format, class Work>
__device__ void consume_batch(const Shared& s, const Route& route, Feed<Format, Work>& feed, const std::byte* x, unsigned* ticket,
                              const Epilogue<Work>& epilogue) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, c = lane % 4;
  const int stride = token_stride<Format>(s.chunks), partial = partial_stride(s.tokens), end = route.end;
  const std::byte* my_x = x + g * stride + c * 16;
  int before = -1;
  unsigned my_ticket = 0;  // Of the tile before; the answer is looked at a tile later, when it has long come.
  const auto pass_on = [&] {  // The tile before, if this block was the last there.
    if (threadIdx.x == 0) *ticket = my_ticket;
    __syncthreads();
    if (before >= 0 && *ticket == static_cast<unsigned>(epilogue.slices.count) - 1) epilogue.template add_slices<Format>(before);
  };
  for (int tile = route.first_tile; tile < s.num_tiles; tile += route.tile_step) {
    Sums sums[kTokenTiles];
    for (int first = feed.first_chunk(); first < end; first += feed.kStep) {
      for_chunks<Format>(feed.wait(), first, end, [&](int chunk, const Operands<Format::kWords>& w, uint32_t low_scales, uint32_t high_scales) {
        const std::byte* chunk_x = my_x + (chunk - route.begin) * Format::kPieces * 64;
#pragma unroll
        for (int n = 0; n < kTokenTiles; ++n) {
          if (n * 8 >= s.tokens) break;
          uint4 pieces[Format::kPieces] = {};
          if (n * 8 + g < s.tokens)
#pragma unroll
            for (int j = 0; j < Format::kPieces; ++j) pieces[j] = *reinterpret_cast<const uint4*>(chunk_x + n * 8 * stride + j * 64);
          Format::add(sums[n], w, pieces, low_scales, high_scales);
        }
      });
      feed.next();
    }
    float* mine = epilogue.partials + warp * kTileRows * partial + 2 * c;
#pragma unroll
    for (int n = 0; n < kTokenTiles; ++n) {
      if (n * 8 >= s.tokens) break;
      *reinterpret_cast<float2*>(mine + g * partial + n * 8) = {sums[n].low[0], sums[n].low[1]};
      *reinterpret_cast<float2*>(mine + (g + 8) * partial + n * 8) = {sums[n].high[0], sums[n].high[1]};
    }
    pass_on();
    epilogue.template add_warps<Format>(tile);
    if (epilogue.slices.count > 1) __threadfence();
    __syncthreads();
    if (threadIdx.x == 0 && epilogue.slices.count > 1) my_ticket = atomicAdd(epilogue.slices.arrivals + tile, 1u);
    before = epilogue.slices.count > 1 ? tile : -1;
  }
  pass_on();
}

template <class Format, class Work>
__global__ void __launch_bounds__(kThreads, 1) batch_kernel(const __grid_constant__ Work work, const __grid_constant__ Slices slices) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(128) std::byte memory[];
  const int slice = blockIdx.x % slices.count, chunks = work.shared.chunks;
  const Route route = {static_cast<int>(blockIdx.x) / slices.count, static_cast<int>(gridDim.x) / slices.count,
                       slice_begin(slice, slices.count, chunks), slice_begin(slice + 1, slices.count, chunks)};
  Shared s = work.shared;  // Of the slice.
  const int first_column = route.begin * Format::kChunkColumns;
  s.chunks = route.end - route.begin;
  s.x += first_column;
  s.inputs = max(0, min(s.inputs - first_column, s.chunks * Format::kChunkColumns));
  const int partials = kWarps * kTileRows * partial_stride(s.tokens);
  const Layout at = layout<Format>(s.units, s.tokens, longest_slice(slices.count, chunks), partials, work.extra_bytes());
  float* factors = reinterpret_cast<float*>(memory + at.factors);
  Feed<Format, Work> feed(work, route, memory);
  const NormWeights norm(s);
  wait_for_previous_kernel();
  work.prepare(memory + at.extra);
  load_activations<Format>(s, memory + at.x, norm, reinterpret_cast<float*>(memory + at.stats), factors);
  __syncthreads();
  consume_batch<Format>(s, route, feed, memory + at.x, reinterpret_cast<unsigned*>(memory + at.ticket),
                        Epilogue<Work>{work, slices, slice, reinterpret_cast<float*>(memory + at.partials), memory + at.extra, factors});
#endif
}

// The fewest slices with which the activations leave room for rings; none when there is no such number.
template <class Format, class Work>
bool launch_batch(Cuda& cuda, Work work) {
  constexpr int kFewestUnits = 3;
  Cuda::State& state = cuda.state();
  Shared& s = work.shared;
  CHECK(s.norm == nullptr, "a slice does not know its token's norm");
  const int blocks = state.num_multiprocessors();
  const int64_t most = static_cast<int64_t>(state.properties.sharedMemPerBlockOptin);
  int slices = 1;
  const auto total = [&](int units) {
    return layout<Format>(units, s.tokens, longest_slice(slices, s.chunks), kWarps * kTileRows * partial_stride(s.tokens), work.extra_bytes()).total;
  };
  while (slices <= blocks / 2 && (blocks % slices != 0 || total(kFewestUnits) > most)) ++slices;
  const size_t sum_bytes = size_t(slices) * size_t(s.num_tiles) * kTileRows * size_t(padded_tokens(s.tokens)) * sizeof(float);
  if (slices > blocks / 2 || sum_bytes > Cuda::State::kBlasWorkspaceBytes || s.num_tiles > Cuda::State::kArrivals) return false;
  s.units = units_in(most, total);
  s.units_at_trigger = 4;
  const Slices cut{.count = slices, .sums = reinterpret_cast<float*>(state.blas_workspace), .arrivals = state.arrivals};
  launch_overlapping<batch_kernel<Format, Work>>(cuda, std::min(blocks / slices, s.num_tiles) * slices, total(s.units), work, cut);
  return true;
}

}  // namespace poro::few_rows
