// base/random.h's numbers on the GPU, the same words for the same key, counter and stream. Written out in
// halves, because nvcc makes 64-bit arithmetic of the other, at three times the cost.
#pragma once

#include <cstdint>

namespace poro {

struct WideProduct {
  uint32_t low, high;
};

__device__ __forceinline__ WideProduct wide_product(uint32_t a, uint32_t b) {
  WideProduct result;
  asm("{\n\t.reg .u64 wide;\n\tmul.wide.u32 wide, %2, %3;\n\tmov.b64 {%0, %1}, wide;\n\t}"
      : "=r"(result.low), "=r"(result.high)
      : "r"(a), "r"(b));
  return result;
}

__device__ __forceinline__ uint4 gpu_philox(uint64_t key, uint64_t counter, uint64_t stream) {
  uint4 c = {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
             static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)};
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const WideProduct a = wide_product(0xD2511F53u, c.x), b = wide_product(0xCD9E8D57u, c.z);
    c = {b.high ^ c.y ^ k0, b.low, a.high ^ c.w ^ k1, a.low};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

}  // namespace poro
