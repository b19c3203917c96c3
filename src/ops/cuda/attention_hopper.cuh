// What the forward and the backward kernels of attention on Hopper share.
#pragma once

#include "base/cuda/state.h"
#include "ops/cuda/hopper.cuh"
#include "ops/cuda/tensor_map.h"

namespace poro::cuda::hopper {

constexpr int kColumns = 64;  // Of a box: 128 bytes of bf16
constexpr float kLog2E = 1.4426950408889634f, kLn2 = 0.6931471805599453f;

// Where a ring of stages stands.
template <int kStages>
struct Ring {
  int stage = 0;
  uint32_t parity = 0;
  __device__ void next() {
    if (++stage == kStages) stage = 0, parity ^= 1;
  }
};

// Four threads hold four values each: value i of thread t becomes value t of thread i.
__device__ inline void transpose_quad(uint32_t (&v)[4]) {
  const bool high = (threadIdx.x & 2) != 0, odd = (threadIdx.x & 1) != 0;
  uint32_t first = high ? v[0] : v[2], second = high ? v[1] : v[3];
  first = __shfl_xor_sync(~0u, first, 2), second = __shfl_xor_sync(~0u, second, 2);
  if (high)
    v[0] = first, v[1] = second;
  else
    v[2] = first, v[3] = second;
  first = odd ? v[0] : v[1], second = odd ? v[2] : v[3];
  first = __shfl_xor_sync(~0u, first, 1), second = __shfl_xor_sync(~0u, second, 1);
  if (odd)
    v[0] = first, v[2] = second;
  else
    v[1] = first, v[3] = second;
}

// Stores row r (0: the thread's first, 1: 8 below) of a product of D columns, times `factor`, as bf16 if
// `is_row`. All threads of the warp call it: those of a row trade, so that each stores 16 bytes.
template <int D>
__device__ void store_row(__nv_bfloat16* to, const float (&out)[D / 2], int r, float factor, bool is_row) {
#pragma unroll
  for (int j = 0; j < D / 32; ++j) {
    uint32_t mine[4];
#pragma unroll
    for (int i = 0; i < 4; ++i)
      mine[i] = pack_bf16(out[16 * j + 4 * i + 2 * r] * factor, out[16 * j + 4 * i + 2 * r + 1] * factor);
    transpose_quad(mine);
    if (is_row)
      *reinterpret_cast<uint4*>(to + j * 32 + threadIdx.x % 4 * 8) =
          uint4{mine[0], mine[1], mine[2], mine[3]};
  }
}

// (T, heads, D) as boxes of 64 columns of one head by `rows` tokens.
inline CUtensorMap rows_map(const Tensor& tensor, uint32_t rows) {
  const uint64_t T = static_cast<uint64_t>(tensor.dim(0)), heads = static_cast<uint64_t>(tensor.dim(1)),
                 D = static_cast<uint64_t>(tensor.dim(2));
  const uint64_t dims[] = {D, heads, T}, strides[] = {2 * D, 2 * D * heads};
  const uint32_t box[] = {kColumns, 1, rows};
  return tensor_map(tensor.data, {.dims = dims, .strides = strides, .box = box});
}

inline bool is_hopper(Cuda& cuda) {
  return cuda.state().capability() == 90;
}

}  // namespace poro::cuda::hopper
