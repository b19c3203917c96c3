// FlashAttention-2 (Dao, 2023): a block takes 64 rows, each of its four warps 16 of them with all their sums
// in registers, and walks over the keys. The next keys and values are on their way into shared memory while
// some are worked on; what is not bf16 is widened on that way.
#include "ops/cuda/attention_mma.h"
#include "ops/cuda/attention_rows.cuh"
#include "ops/cuda/fp8.cuh"
#include "ops/cuda/hopper.cuh"

namespace poro::cuda {
namespace {

using namespace rows;
using hopper::exp2_fast, hopper::pack_bf16, hopper::shared_address;

constexpr int kRows = 64, kThreads = 128;

// Heads are padded with zeros to Width; eight more elements a row keep the banks apart.
template <int Width>
struct Shared {
  static constexpr int kKeys = Width == 256 ? 32 : 64, kStride = Width + 8;
  struct Tile {
    __nv_bfloat16 k[kKeys][kStride], v[kKeys][kStride];
  } tiles[2];
};

// Elements [d, d + 8) of the vector at `begin`, as bf16; zeros behind the head.
__device__ inline uint4 load_eight(const Operand& from, int64_t begin, int d, int head_dim) {
  uint32_t pairs[4];
  if (head_dim % 8 != 0) {
    float elements[8];
#pragma unroll
    for (int j = 0; j < 8; ++j) elements[j] = d + j < head_dim ? from.load(begin + d + j) : 0.0f;
#pragma unroll
    for (int j = 0; j < 4; ++j) pairs[j] = pack_bf16(elements[2 * j], elements[2 * j + 1]);
  } else if (from.dtype == DType::kBF16) {
    return *reinterpret_cast<const uint4*>(static_cast<const __nv_bfloat16*>(from.data) + begin + d);
  } else {
    const uint2 eight =
        *reinterpret_cast<const uint2*>(static_cast<const __nv_fp8_e4m3*>(from.data) + begin + d);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const uint32_t half = widen_f8_pair((j < 2 ? eight.x : eight.y) >> j % 2 * 16 & 0xffffu);
      const float2 pair = __half22float2(reinterpret_cast<const __half2&>(half));
      pairs[j] = pack_bf16(pair.x, pair.y);
    }
  }
  return uint4{pairs[0], pairs[1], pairs[2], pairs[3]};
}

// 16 bytes to shared memory without waiting, or zeros.
__device__ inline void copy_or_clear(void* to, const void* from, bool is_there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(is_there ? 16 : 0)
               : "memory");
}

// `offset(i)`: where key and value i begin, or -1 for zeros. They are there after wait_for_tile.
template <int Width, class Offset>
__device__ void ask_for_tile(typename Shared<Width>::Tile& tile, const Arguments& a, const Offset& offset) {
  constexpr int kChunks = Width / 8, kVectors = kThreads / kChunks;  // At a time
  const int thread = static_cast<int>(threadIdx.x), d = thread % kChunks * 8;
  const bool is_copied = a.k.dtype == DType::kBF16 && a.head_dim % 8 == 0;
  if (thread < kVectors * kChunks)
#pragma unroll 2
    for (int i = thread / kChunks; i < Shared<Width>::kKeys; i += kVectors) {
      const int64_t begin = offset(i);
      const bool is_there = begin >= 0 && d < a.head_dim;
      if (is_copied) {
        const int64_t at = is_there ? begin + d : 0;
        copy_or_clear(&tile.k[i][d], static_cast<const __nv_bfloat16*>(a.k.data) + at, is_there);
        copy_or_clear(&tile.v[i][d], static_cast<const __nv_bfloat16*>(a.v.data) + at, is_there);
      } else {
        const uint4 none = {0, 0, 0, 0};
        *reinterpret_cast<uint4*>(&tile.k[i][d]) = is_there ? load_eight(a.k, begin, d, a.head_dim) : none;
        *reinterpret_cast<uint4*>(&tile.v[i][d]) = is_there ? load_eight(a.v, begin, d, a.head_dim) : none;
      }
    }
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// All but the last tile asked for.
__device__ inline void wait_for_tile() {
  asm volatile("cp.async.wait_group 1;" ::: "memory");
  __syncthreads();
}

__device__ inline void load_matrices(uint32_t (&to)[4], const void* from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(from))
               : "memory");
}
__device__ inline void load_transposed(uint32_t (&to)[4], const void* from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(from))
               : "memory");
}
// d(16 x 8) += a(16 x 16) b(16 x 8)
__device__ inline void multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// A warp's 16 rows. A thread has row lane / 4 and 8 below.
template <int Width>
struct Warp {
  static constexpr int kKeys = Shared<Width>::kKeys;
  uint32_t q[Width / 16][4];
  float out[Width / 8][4], highest[2], sum[2];
  int begin[2], end[2];

  __device__ void take(const typename Shared<Width>::Tile& tile, int base, float scale_log2) {
    const int lane = threadIdx.x % 32;
    float s[kKeys / 8][4] = {};
#pragma unroll
    for (int i = 0; i < Width / 16; ++i)
#pragma unroll
      for (int j = 0; j < kKeys / 16; ++j) {
        uint32_t b[4];
        load_matrices(b, &tile.k[16 * j + lane / 16 * 8 + lane % 8][16 * i + lane / 8 % 2 * 8]);
        multiply(s[2 * j], q[i], b[0], b[1]);
        multiply(s[2 * j + 1], q[i], b[2], b[3]);
      }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float top = highest[r];
#pragma unroll
      for (int j = 0; j < kKeys / 8; ++j)
#pragma unroll
        for (int c = 2 * r; c < 2 * r + 2; ++c) {
          const int key = base + 8 * j + lane % 4 * 2 + c % 2;
          if (key < begin[r] || key >= end[r]) s[j][c] = -INFINITY;
          top = fmaxf(top, s[j][c]);
        }
      top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
      top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
      const float from =
          top == -INFINITY ? 0.0f : top * scale_log2;  // Nothing visible yet: all weights are 2^-inf.
      const float kept = exp2_fast(highest[r] * scale_log2 - from);
      highest[r] = top, sum[r] *= kept;
#pragma unroll
      for (int j = 0; j < kKeys / 8; ++j)
#pragma unroll
        for (int c = 2 * r; c < 2 * r + 2; ++c)
          sum[r] += s[j][c] = exp2_fast(fmaf(s[j][c], scale_log2, -from));
#pragma unroll
      for (int j = 0; j < Width / 8; ++j) out[j][2 * r] *= kept, out[j][2 * r + 1] *= kept;
    }
#pragma unroll
    for (int j = 0; j < kKeys / 16; ++j) {
      const uint32_t p[4] = {pack_bf16(s[2 * j][0], s[2 * j][1]), pack_bf16(s[2 * j][2], s[2 * j][3]),
                             pack_bf16(s[2 * j + 1][0], s[2 * j + 1][1]),
                             pack_bf16(s[2 * j + 1][2], s[2 * j + 1][3])};
#pragma unroll
      for (int i = 0; i < Width / 16; ++i) {
        uint32_t b[4];
        load_transposed(b, &tile.v[16 * j + lane / 8 % 2 * 8 + lane % 8][16 * i + lane / 16 * 8]);
        multiply(out[2 * i], p, b[0], b[1]);
        multiply(out[2 * i + 1], p, b[2], b[3]);
      }
    }
  }
};

// Blocks: row tiles x K x sequences; the last rows have the most keys and come first.
template <int Width>
__global__ void __launch_bounds__(kThreads) forward(const __grid_constant__ Arguments a) {
  constexpr int kKeys = Shared<Width>::kKeys;
  extern __shared__ __align__(16) std::byte memory[];
  auto& shared = *reinterpret_cast<Shared<Width>*>(memory);
  const int kv_head = blockIdx.y, sequence = blockIdx.z, lane = threadIdx.x % 32;
  const Span span(a, sequence);
  const int first_row = static_cast<int>(gridDim.x - 1 - blockIdx.x) * kRows, num_rows = span.num_rows(a);
  if (first_row >= num_rows) return;
  const int last_row = min(first_row + kRows, num_rows) - 1;
  const int keys_begin = span.begin(a, first_row), keys_end = span.end(a, last_row);
  const int row = first_row + static_cast<int>(threadIdx.x) / 32 * 16 + lane / 4;  // And 8 below
  Warp<Width> warp;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const bool is_row = row + 8 * r < num_rows;
    warp.highest[r] = -INFINITY, warp.sum[r] = 0;
    warp.begin[r] = is_row ? span.begin(a, row + 8 * r) : 0,
    warp.end[r] = is_row ? span.end(a, row + 8 * r) : 0;
    const int64_t at = is_row ? span.row_at(a, row + 8 * r, kv_head) : 0;
#pragma unroll
    for (int i = 0; i < Width / 8; ++i) {
      const int d = 8 * i + lane % 4 * 2;
      const float low = is_row && d < a.head_dim ? a.q.load(at + d) : 0.0f,
                  high = is_row && d + 1 < a.head_dim ? a.q.load(at + d + 1) : 0.0f;
      warp.q[i / 2][i % 2 * 2 + r] = pack_bf16(low, high);
      warp.out[i][2 * r] = warp.out[i][2 * r + 1] = 0;
    }
  }
  const auto ask = [&](int number) {
    const int base = keys_begin + number * kKeys;
    ask_for_tile<Width>(shared.tiles[number % 2], a, [&](int i) {
      return base + i < keys_end ? key_at(a, sequence, base + i, kv_head) : int64_t{-1};
    });
  };
  ask(0);
  for (int number = 0, base = keys_begin; base < keys_end; ++number, base += kKeys) {
    ask(number + 1);
    wait_for_tile();
    warp.take(shared.tiles[number % 2], base, a.scale * 1.4426950408889634f);
    __syncthreads();
  }
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float total = warp.sum[r];
    total += __shfl_xor_sync(~0u, total, 1);
    total += __shfl_xor_sync(~0u, total, 2);
    if (row + 8 * r >= num_rows) continue;
    const int64_t at = span.row_at(a, row + 8 * r, kv_head);
    if (a.lse != nullptr && lane % 4 == 0) a.lse[at / a.head_dim] = warp.highest[r] * a.scale + logf(total);
#pragma unroll
    for (int i = 0; i < Width / 8; ++i)
#pragma unroll
      for (int c = 0; c < 2; ++c) {
        const int d = 8 * i + lane % 4 * 2 + c;
        if (d < a.head_dim) a.y.store(at + d, warp.out[i][2 * r + c] / total);
      }
  }
}

template <int Width>
void launch(Cuda& cuda, dim3 blocks, const Arguments& a) {
  constexpr int kBytes = sizeof(Shared<Width>);
  CUDA_CHECK(cudaFuncSetAttribute(forward<Width>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes));
  forward<Width><<<blocks, kThreads, kBytes, cuda.state().stream>>>(a);
  CUDA_CHECK_LAUNCH();
}

void launch_for_width(Cuda& cuda, dim3 blocks, const Arguments& a) {
  CHECK(a.head_dim <= 256, "heads of {}: at most 256", a.head_dim);
  if (a.head_dim <= 64)
    launch<64>(cuda, blocks, a);
  else if (a.head_dim <= 80)
    launch<80>(cuda, blocks, a);
  else if (a.head_dim <= 96)
    launch<96>(cuda, blocks, a);
  else if (a.head_dim <= 128)
    launch<128>(cuda, blocks, a);
  else
    launch<256>(cuda, blocks, a);
}

}  // namespace

bool mma_attention(Cuda& cuda, const PackedAttention& op) {
  if (op.q.dtype != DType::kBF16 || op.k.dtype != DType::kBF16 || op.q.dim(0) == 0) return false;
  const Arguments a = arguments(op);
  launch_for_width(cuda, row_blocks(op.q.dim(0), a, kRows, 1), a);
  return true;
}

bool mma_attention(Cuda& cuda, const CachedAttention& op) {
  const bool is_exact =
      op.keys.dtype == DType::kBF16 || op.keys.dtype == DType::kF8;  // In bf16; others would lose bits.
  if (op.q.dtype != DType::kBF16 || !is_exact || op.q.dim(0) == 0) return false;
  const Arguments a = arguments(op);
  launch_for_width(cuda, row_blocks(op.max_new_tokens, a, kRows, op.lengths.dim(0)), a);
  return true;
}

}  // namespace poro::cuda
