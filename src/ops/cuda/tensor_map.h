// Descriptions of tensors for Hopper's copy engine.
#pragma once

#include <cuda.h>

#include <span>

namespace poro::cuda {

// A bf16 tensor as boxes of 64 columns (or all 64 of them) by the given rows, swizzled by 128 bytes; what lies outside is read as zeros.
// Dimensions from the innermost; `strides` in bytes, of all but the innermost.
struct BoxLayout {
  std::span<const uint64_t> dims, strides;
  std::span<const uint32_t> box;
};
CUtensorMap tensor_map(const void* data, const BoxLayout& layout);

}  // namespace poro::cuda
