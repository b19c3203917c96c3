#include <algorithm>

#include "base/cuda/state.h"
#include "ops/cuda/tensor_map.h"

namespace poro::cuda {
namespace {

using Encode = decltype(&cuTensorMapEncodeTiled);

// From the driver that is there: linking libcuda would keep the program from starting without one.
Encode encoder() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  CUDA_CHECK(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault,
                                              &found));
  CHECK(found == cudaDriverEntryPointSuccess, "the driver has no cuTensorMapEncodeTiled");
  return reinterpret_cast<Encode>(function);
}

}  // namespace

CUtensorMap tensor_map(const void* data, const BoxLayout& layout) {
  static const Encode encode = encoder();
  CUtensorMap map = {};
  const uint32_t steps[4] = {1, 1, 1, 1};
  const CUtensorMapDataType type =
      layout.element_bytes == 2 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_UINT8;
  const CUresult result = encode(
      &map, type, static_cast<uint32_t>(layout.dims.size()), const_cast<void*>(data), layout.dims.data(),
      layout.strides.data(), layout.box.data(), steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
      CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  CHECK(result == CUDA_SUCCESS, "cuTensorMapEncodeTiled: error {}", static_cast<int>(result));
  return map;
}

}  // namespace poro::cuda
