// Launches that overlap (programmatic dependent launch): a kernel may begin while the one before it still
// runs. Until it calls `wait_for_previous_kernel` it reads nothing that others write, and writes nothing. All
// kernels of such a chain call it, so that what the second last wrote is there too.
#pragma once

#include <type_traits>

#include "base/cuda/state.h"

namespace poro {

__device__ __forceinline__ void wait_for_previous_kernel() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
// Called by every block; when all have, or have ended, the next kernel's blocks take what room is left.
__device__ __forceinline__ void let_next_kernel_start() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

struct LaunchSize {
  dim3 blocks;
  unsigned threads;
  size_t shared_bytes = 0;
  unsigned cluster = 1;  // Blocks of a cluster
};

enum class Overlap : uint8_t { kNone, kPrevious };

template <class... Parameters>
void launch(Cuda& cuda, void (*kernel)(Parameters...), Overlap with, const LaunchSize& size,
            const std::type_identity_t<Parameters>&... arguments) {
  cudaLaunchAttribute attributes[2] = {};
  cudaLaunchConfig_t config = {};
  config.gridDim = size.blocks;
  config.blockDim = size.threads;
  config.dynamicSmemBytes = size.shared_bytes;
  config.stream = cuda.state().stream;
  config.attrs = attributes;
  if (with == Overlap::kPrevious && cuda.state().capability() >= 90) {
    attributes[config.numAttrs].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[config.numAttrs++].val.programmaticStreamSerializationAllowed = 1;
  }
  if (size.cluster > 1) {
    attributes[config.numAttrs].id = cudaLaunchAttributeClusterDimension;
    attributes[config.numAttrs++].val.clusterDim = {size.cluster, 1, 1};
  }
  CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, arguments...));
}

}  // namespace poro
