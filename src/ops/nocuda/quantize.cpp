// Stands in for ops/cuda/quantize.cu in builds without CUDA.
#include "ops/quantize.h"

namespace poro {

void quantize(Cuda&, const Matrix&, const Matrix&) {
  CHECK(false, "quantisation on a GPU in a build without CUDA");
}
void dequantize(Cuda&, const Matrix&, const Tensor&) {
  CHECK(false, "quantised weights on a GPU in a build without CUDA");
}

}  // namespace poro
