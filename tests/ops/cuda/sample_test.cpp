#include "ops/sample.h"

#include "tests/ops/cuda/on_gpu.h"

namespace poro {
namespace {

class GpuSample : public OnGpu {};

TEST_F(GpuSample, ArgmaxEqualsTheReference) {
  Device& device = gpu(DType::kBF16);
  for (const DType dtype : {DType::kF32, DType::kBF16})
    for (const int64_t vocab : {1, 31, 1003, 128256}) {
      // Rounded to bf16, the highest of many values is there several times.
      const Guarded logits = copy_as(dtype, random_tensor(DType::kBF16, {6, vocab}, static_cast<uint64_t>(vocab)));
      if (vocab > 1000) {
        store_element(logits, 2 * vocab + 700, std::numeric_limits<double>::quiet_NaN());
        for (int64_t id = 0; id < vocab; ++id) store_element(logits, 3 * vocab + id, -0.0);
        store_element(logits, 3 * vocab + 5, 0.0);
        for (int64_t id = 0; id < vocab; ++id) store_element(logits, 4 * vocab + id, -std::numeric_limits<double>::infinity());
        for (int64_t id = 0; id < vocab; ++id) store_element(logits, 5 * vocab + id, id == vocab - 1 ? -2.0 : -3.0);
      }
      const Guarded expected(DType::kI32, {6});
      Reference reference;
      run(reference, Argmax{.logits = logits, .ids = expected});
      const GpuTensor gpu_logits(device, logits), ids(device, DType::kI32, {6});
      run(device, Argmax{.logits = gpu_logits, .ids = ids});
      EXPECT_TRUE(equal_bits(ids.fetch(), expected)) << vocab << ' ' << dtype_name(dtype);
    }
}

}  // namespace
}  // namespace poro
