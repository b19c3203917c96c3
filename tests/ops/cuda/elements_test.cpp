// Convert and Add on the GPU against the reference, at every alignment.
#include "ops/add.h"
#include "ops/convert.h"
#include "tests/ops/cuda/on_gpu.h"

namespace poro {
namespace {

constexpr int64_t kCounts[] = {1, 7, 8, 1000, 4096, 100003};
constexpr int64_t kSkips[] = {0, 1};  // Elements: the first is not aligned.

using CudaConvert = OnGpu;
using CudaAdd = OnGpu;

Tensor without(const Tensor& tensor, int64_t skip) {
  return tensor.rows(skip, tensor.dim(0) - skip);
}

TEST_F(CudaConvert, EqualsTheReferenceExactly) {
  Device& device = gpu(DType::kF32);
  constexpr DType kTypes[] = {DType::kF32, DType::kBF16, DType::kF16, DType::kF64};
  for (const DType from_type : kTypes)
    for (const DType to_type : kTypes)
      for (const int64_t count : kCounts)
        for (const int64_t skip : kSkips) {
          SCOPED_TRACE(
              fmt::format("{} {} to {}, from {}", count, dtype_name(from_type), dtype_name(to_type), skip));
          // Values that f32 holds: the reference rounds f64 to f16 by way of it.
          const Guarded from = copy_as(from_type, copy_as(DType::kF32,
                                                          random_tensor(from_type, {count + skip}, 1, 2.0))),
                        expected(to_type, {count + skip});
          Reference reference;
          run(reference, Convert{.from = without(from, skip), .to = without(expected, skip)});
          const GpuTensor gpu_from(device, from), to(device, to_type, {count + skip});
          run(device, Convert{.from = without(gpu_from, skip), .to = without(to, skip)});
          ASSERT_TRUE(equal_bits(without(to.fetch(), skip), without(expected, skip)));
        }
}

TEST_F(CudaAdd, EqualsTheReference) {
  for (const DType dtype : kActivations)
    for (const int64_t count : kCounts)
      for (const int64_t skip : kSkips) {
        SCOPED_TRACE(fmt::format("{} {}, from {}", count, dtype_name(dtype), skip));
        Device& device = gpu(dtype);
        const Guarded a = random_tensor(dtype, {count + skip}, 1),
                      b = random_tensor(dtype, {count + skip}, 2);
        const Guarded sum(DType::kF64, {count});
        Reference reference;
        run(reference, Add{.a = without(a, skip), .b = without(b, skip), .to = sum});
        const GpuTensor gpu_a(device, a), gpu_b(device, b), to(device, dtype, {count + skip}),
            in_place(device, a), alone(device, dtype, {count + skip});
        run(device, Add{.a = without(gpu_a, skip), .b = without(gpu_b, skip), .to = without(to, skip)});
        expect_close(without(to.fetch(), skip), sum, tolerance_of(dtype));
        run(device,
            Add{.a = without(in_place, skip), .b = without(gpu_b, skip), .to = without(in_place, skip)});
        EXPECT_TRUE(equal_bits(without(in_place.fetch(), skip), without(to.fetch(), skip)));
        run(device, Add{.a = without(gpu_a, skip), .b = {}, .to = without(alone, skip)});
        ASSERT_TRUE(equal_bits(without(alone.fetch(), skip), without(a, skip)));
      }
}

}  // namespace
}  // namespace poro
