// The activations of a decoding product (ops/cuda/weight_ring.h) on their way to shared memory: normed, in
// the order and the type of the weights' format.
#pragma once

#include "base/cuda/state.h"
#include "ops/cuda/weight_format.h"

namespace poro::few_rows {

constexpr int kMaxTokens = 8;
constexpr int kWarps = 16;
constexpr int kThreads = kWarps * 32;

// What all products share.
struct Shared {
  const __nv_bfloat16* x = nullptr;  // (T, I)
  const void* norm = nullptr;        // (I) or none: x passes through RmsNorm first.
  bool is_norm_f32 = false;
  float eps = 0;
  int tokens = 0;
  int inputs = 0;
  int x_stride = 0;  // Elements from token to token of x.
  int chunks = 0;    // Of a row of weights, whole units.
  int num_tiles = 0;
  int units = 0;  // In a warp's ring.
};

// Bytes of a token's activations in shared memory.
template <class Format>
__host__ __device__ constexpr int token_stride(int chunks) {
  const int bytes = chunks * Format::kChunkColumns * 2;
  return bytes +
         (bytes % 128 == 0
              ? 64
              : 128);  // 64 modulo 128: two tokens of a quarter warp's read fall into different banks.
}
// Tokens, rounded up to pairs.
__host__ __device__ constexpr int token_width(int tokens) {
  return (tokens + 1) / 2 * 2;
}
// Where the sums of each group of columns start, so that unsigned levels count as signed ones.
template <class Format>
__host__ __device__ constexpr int starts_bytes(int tokens, int chunks) {
  return Format::kIsPanels ? chunks * 2 * token_width(tokens) * 4 : 0;
}
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
  static constexpr int kHeld = 2;
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

// What copy_activations brought as the product takes it: normed where it has a norm, in f16 where the format
// wants that, and where its groups' sums start.
template <class Format>
__device__ void prepare_activations(const Shared& s, std::byte* x, float* starts, const NormWeights& norm,
                                    float* stats, float* factors) {
  if (s.norm == nullptr && !Format::kIsHalf) return;
  measure_activations<Format>(s, x, norm, stats);
  if constexpr (Format::kIsPanels)  // Of columns behind the last.
    for (int i = s.inputs / 64 * token_width(s.tokens) + threadIdx.x;
         i < s.chunks * 2 * token_width(s.tokens); i += kThreads)
      starts[i] = 0;
  for (int t = 0; t < s.tokens; ++t) {
    const TokenScale scale = token_scale<Format>(s, t, stats, factors);
    norm.for_pieces(s, [&](int piece, const float(&w)[8]) {
      uint4* at =
          reinterpret_cast<uint4*>(x + t * token_stride<Format>(s.chunks) + piece_place<Format>(piece) * 16);
      const uint4 raw = *at;
      uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
      float2 pairs[4];
      for (int i = 0; i < 4; ++i) {
        float2 v = widen_pair(words[i]);
        if (s.norm != nullptr) {
          words[i] = round_pair(v.x * scale.rstd * w[2 * i], v.y * scale.rstd * w[2 * i + 1]);
          v = widen_pair(words[i]);
        }
        if constexpr (Format::kIsHalf) {
          const __half2 pair = __floats2half2_rn(v.x * scale.power, v.y * scale.power);
          words[i] = reinterpret_cast<const uint32_t&>(pair);
          pairs[i] = __half22float2(pair);
        }
      }
      *at = {words[0], words[1], words[2], words[3]};
      if constexpr (Format::kIsPanels) {
        float start = Format::start(pairs);
#pragma unroll
        for (int offset = 4; offset > 0; offset /= 2)
          start += __shfl_xor_sync(0xffu << (threadIdx.x & 24), start, offset);
        if (threadIdx.x % 8 == 0) starts[piece / 8 * token_width(s.tokens) + t] = start;
      }
    });
  }
}

}  // namespace poro::few_rows
