// Descriptions of tensors for Hopper's copy engine.
#pragma once

#include <cuda.h>

#include <span>

namespace poro::cuda {

// A tensor as boxes of 128 bytes by the given rows, swizzled by 128 bytes; what lies outside is read as
// zeros. Dimensions from the innermost; `strides` in bytes, of all but the innermost.
struct BoxLayout {
  std::span<const uint64_t> dims, strides;
  std::span<const uint32_t> box;
  int element_bytes = 2;  // 2: bf16; 1: any 8 bits
};
CUtensorMap tensor_map(const void* data, const BoxLayout& layout);

}  // namespace poro::cuda
