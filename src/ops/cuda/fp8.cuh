// Numbers of eight bits (e4m3) as f16, which holds each of them exactly.
#pragma once

#include <cuda_fp8.h>

#include <cstdint>

namespace poro {

// Two f16 of two bytes: one instruction where the GPU has it, from compute capability 8.9 on.
__device__ inline uint32_t widen_f8_pair(uint32_t two) {
  const __half2_raw half = __nv_cvt_fp8x2_to_halfraw2(static_cast<__nv_fp8x2_storage_t>(two), __NV_E4M3);
  return uint32_t{half.x} | uint32_t{half.y} << 16;
}
// Four f16 of four bytes, in order.
__device__ inline uint2 widen_f8(uint32_t four) {
  return {widen_f8_pair(four & 0xffffu), widen_f8_pair(four >> 16)};
}

}  // namespace poro
