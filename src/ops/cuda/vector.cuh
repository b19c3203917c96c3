// What the kernels share: several neighbouring elements as floats, moved 16 bytes at a time, and sums over a
// warp or a block in one fixed order.
#pragma once

#include <cstdint>

#include "base/cuda/state.h"

namespace poro {

constexpr int kWarp = 32;

// N elements of any type, in float.
template <int N>
struct Floats {
  float v[N];
};

__device__ __forceinline__ float to_float(float value) {
  return value;
}
__device__ __forceinline__ float to_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}
__device__ __forceinline__ float to_float(__half value) {
  return __half2float(value);
}

template <class T>
__device__ __forceinline__ T from_float(float value);
template <>
__device__ __forceinline__ float from_float<float>(float value) {
  return value;
}
template <>
__device__ __forceinline__ double from_float<double>(float value) {
  return static_cast<double>(value);
}
template <>
__device__ __forceinline__ __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}
template <>
__device__ __forceinline__ __half from_float<__half>(float value) {
  return __float2half_rn(value);
}
template <>
__device__ __forceinline__ __nv_fp8_e4m3 from_float<__nv_fp8_e4m3>(float value) {
  return __nv_fp8_e4m3(value);
}  // Saturates.

// As many bytes as N elements of T take, in the fewest accesses.
template <class T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack {
  T v[N];
};

template <class T, int N>
__device__ __forceinline__ Floats<N> to_floats(const Pack<T, N>& pack) {
  Floats<N> result;
#pragma unroll
  for (int i = 0; i < N; ++i) result.v[i] = to_float(pack.v[i]);
  return result;
}

// Addresses are multiples of the pack's alignment.
template <int N, class T>
__device__ __forceinline__ Pack<T, N> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}

template <int N, class T>
__device__ __forceinline__ Floats<N> load(const T* from) {
  return to_floats(load_pack<N>(from));
}

template <int N, class T>
__device__ __forceinline__ void store(T* to, const Floats<N>& values) {
  Pack<T, N> pack;
#pragma unroll
  for (int i = 0; i < N; ++i) pack.v[i] = from_float<T>(values.v[i]);
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

// The first `count` of N elements, however they are aligned; zeros for the rest.
template <int N, class T>
__device__ __forceinline__ Floats<N> load_some(const T* from, int64_t count) {
  Floats<N> result;
#pragma unroll
  for (int i = 0; i < N; ++i) result.v[i] = i < count ? to_float(from[i]) : 0.0f;
  return result;
}

template <int N, class T>
__device__ __forceinline__ void store_some(T* to, int64_t count, const Floats<N>& values) {
#pragma unroll
  for (int i = 0; i < N; ++i)
    if (i < count) to[i] = from_float<T>(values.v[i]);
}

// Packs of N elements are allowed: every tensor begins at 16 bytes, and rows of `width` keep that.
inline bool is_packed(int64_t width, int elements, std::initializer_list<const void*> tensors) {
  bool result = width % elements == 0;
  for (const void* data : tensors) result = result && reinterpret_cast<uintptr_t>(data) % 16 == 0;
  return result;
}

struct Plus {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

struct Highest {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

template <class T, class Join = Plus>
__device__ __forceinline__ T warp_reduce(T value, Join join = {}) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2)
    value = join(value, __shfl_xor_sync(~0u, value, distance));
  return value;
}

// The result on every thread of a block of whole warps; all of them must come here. `empty` joined with
// anything is that.
template <class T, class Join = Plus>
__device__ __forceinline__ T block_reduce(T value, Join join = {}, T empty = {}) {
  __shared__ T parts[kWarp];
  value = warp_reduce(value, join);
  __syncthreads();  // The last reduction has been read.
  if (threadIdx.x % kWarp == 0) parts[threadIdx.x / kWarp] = value;
  __syncthreads();
  return warp_reduce(threadIdx.x % kWarp < blockDim.x / kWarp ? parts[threadIdx.x % kWarp] : empty, join);
}

// Blocks of `each` that cover `count`.
inline unsigned blocks_of(int64_t count, int64_t each) {
  return static_cast<unsigned>((count + each - 1) / each);
}

// Threads in whole warps that cover `count`, `most` at most.
inline unsigned threads_of(int64_t count, int64_t most) {
  const int64_t whole = (count + kWarp - 1) / kWarp * kWarp;
  return static_cast<unsigned>(whole < most ? whole : most);
}

}  // namespace poro
