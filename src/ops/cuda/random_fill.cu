#include "base/cuda/philox.cuh"
#include "base/cuda/state.h"
#include "ops/random_fill.h"

namespace poro {
namespace {

__global__ void fill(__nv_bfloat16* out, int64_t count, uint64_t seed, uint64_t stream) {
  const int64_t block = blockIdx.x * int64_t{blockDim.x} + threadIdx.x;
  if (block * 4 >= count) return;
  const uint4 drawn = gpu_philox(seed, static_cast<uint64_t>(block), stream);
  const uint32_t words[4] = {drawn.x, drawn.y, drawn.z, drawn.w};
#pragma unroll
  for (int i = 0; i < 4; ++i)
    if (block * 4 + i < count) out[block * 4 + i] = __float2bfloat16(random_fill_value(words[i]));
}

}  // namespace

void run(Cuda& cuda, const RandomFill& op) {
  const int64_t count = op.to.elements(), blocks = (count + 1023) / 1024;
  if (count == 0) return;
  fill<<<static_cast<unsigned>(blocks), 256, 0, cuda.state().stream>>>(gpu_data<__nv_bfloat16>(op.to), count,
                                                                       op.seed, op.stream);
  CUDA_CHECK_LAUNCH();
}

}  // namespace poro
