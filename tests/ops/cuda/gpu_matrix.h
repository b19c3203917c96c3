// A matrix on the GPU, plain or quantised there, and the same bytes on the host for the reference.
#pragma once

#include "ops/quantize.h"
#include "tests/ops/cuda/on_gpu.h"

namespace poro {

class GpuMatrix {
 public:
  // Random weights of deviation 0.02 in `dtype`.
  GpuMatrix(Device& device, DType dtype, Shape shape, uint64_t seed) : arena_("weights", device) {
    const bool is_plain = dtype == DType::kBF16 || dtype == DType::kF32 || dtype == DType::kF16;
    const Guarded source = random_tensor(is_plain ? dtype : DType::kBF16, shape, seed, 0.02);
    const Tensor plain = arena_.tensor(source.tensor().dtype, shape);
    device.copy(source, plain);
    gpu_ = {.values = plain, .quantization = {}};
    if (!is_plain) {
      gpu_ = quantized_matrix(arena_, {.dtype = dtype, .shape = shape});
      quantize(device.cuda_backend(), {.values = plain, .quantization = {}}, gpu_);
    }
    values_.emplace(gpu_.values.dtype, gpu_.values.shape);
    device.copy(gpu_.values, *values_);
    host_ = {.values = *values_, .quantization = gpu_.quantization};
    if (gpu_.scales) {
      scales_.emplace(gpu_.scales.dtype, gpu_.scales.shape);
      device.copy(gpu_.scales, *scales_);
      host_.scales = *scales_;
    }
  }
  GpuMatrix(const GpuMatrix&) = delete;

  const Matrix& gpu() const { return gpu_; }
  const Matrix& host() const { return host_; }

 private:
  Arena arena_;
  Matrix gpu_, host_;
  std::optional<Guarded> values_, scales_;
};

}  // namespace poro
