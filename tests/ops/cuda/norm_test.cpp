#include "ops/norm.h"

#include "tests/ops/cuda/on_gpu.h"
#include "tests/ops/row_cases.h"

namespace poro {
namespace {

using CudaRmsNorm = OnGpu;
using CudaRmsNormBackward = OnGpu;

void expect_norm(Device& device, const NormCase& c) {
  const DType dtype = device.activation_dtype();
  SCOPED_TRACE(testing::Message() << c.tokens << " x " << c.width << " " << dtype_name(dtype) << ", weights "
                                  << dtype_name(c.weights));
  const Guarded x = random_tensor(dtype, {c.tokens, c.width}, 1), w = random_tensor(c.weights, {c.width}, 2);
  const Guarded expected(DType::kF64, {c.tokens, c.width}), expected_rstd(DType::kF64, {c.tokens});
  Reference reference;
  run(reference, RmsNorm{.x = x, .w = w, .y = expected, .rstd = expected_rstd});
  const GpuTensor gpu_x(device, x), gpu_w(device, w), y(device, dtype, {c.tokens, c.width}),
      again(device, dtype, {c.tokens, c.width});
  const GpuTensor rstd(device, DType::kF32, {c.tokens});
  run(device, RmsNorm{.x = gpu_x, .w = gpu_w, .y = y, .rstd = rstd});
  run(device, RmsNorm{.x = gpu_x, .w = gpu_w, .y = again, .rstd = {}});
  expect_close(y.fetch(), expected, tolerance_of(dtype));
  expect_close(rstd.fetch(), expected_rstd, 1e-6);
  EXPECT_TRUE(equal_bits(y.fetch(), again.fetch()));
}

TEST_F(CudaRmsNorm, EqualsTheReference) {
  for (const DType dtype : kActivations) {
    for (const NormCase& c : kNormCases) expect_norm(gpu(dtype), c);
    for (const NormCase& c :
         {NormCase{8192, 512, DType::kBF16}, NormCase{2, 8192, DType::kBF16}, NormCase{3, 28672, DType::kF32},
          NormCase{2, 8191, DType::kF32}, NormCase{2, 32768, DType::kF32}, NormCase{7, 4104, DType::kBF16}})
      expect_norm(gpu(dtype), c);
  }
}

TEST_F(CudaRmsNorm, KeepsTinyAndHugeRowsFinite) {
  for (const double size : {1e-18, 1e15}) {
    Device& device = gpu(DType::kF32);
    const Guarded x = random_tensor(DType::kF32, {2, 100}, 3, size), w = random_tensor(DType::kF32, {100}, 4),
                  expected(DType::kF64, {2, 100});
    Reference reference;
    run(reference, RmsNorm{.x = x, .w = w, .y = expected, .rstd = {}});
    const GpuTensor gpu_x(device, x), gpu_w(device, w), y(device, DType::kF32, {2, 100});
    run(device, RmsNorm{.x = gpu_x, .w = gpu_w, .y = y, .rstd = {}});
    expect_close(y.fetch(), expected, 1e-6);
  }
}

void expect_norm_backward(Device& device, const NormBackwardCase& c, DType dw_dtype) {
  const DType dtype = device.activation_dtype();
  const auto [tokens, width] = c;
  SCOPED_TRACE(testing::Message() << tokens << " x " << width << " " << dtype_name(dtype) << ", dw "
                                  << dtype_name(dw_dtype));
  const Guarded x = random_tensor(dtype, {tokens, width}, 1), w = random_tensor(DType::kBF16, {width}, 2),
                dy = random_tensor(dtype, {tokens, width}, 3);
  const Guarded dx = random_tensor(dtype, {tokens, width}, 4), dw = random_tensor(dw_dtype, {width}, 5);
  const Guarded want_dx = copy_as(DType::kF64, dx), want_dw = copy_as(DType::kF64, dw),
                y(DType::kF64, {tokens, width}), rstd(DType::kF32, {tokens});
  Reference reference;
  run(reference, RmsNorm{.x = x, .w = w, .y = y, .rstd = rstd});
  run(reference, RmsNormBackward{.x = x, .w = w, .rstd = rstd, .dy = dy, .dx = want_dx, .dw = want_dw});
  const GpuTensor gpu_x(device, x), gpu_w(device, w), gpu_rstd(device, rstd), gpu_dy(device, dy);
  const GpuTensor got_dx(device, dx), got_dw(device, dw), dx_again(device, dx), dw_again(device, dw);
  run(device,
      RmsNormBackward{.x = gpu_x, .w = gpu_w, .rstd = gpu_rstd, .dy = gpu_dy, .dx = got_dx, .dw = got_dw});
  run(device, RmsNormBackward{
                  .x = gpu_x, .w = gpu_w, .rstd = gpu_rstd, .dy = gpu_dy, .dx = dx_again, .dw = dw_again});
  expect_close(got_dx.fetch(), want_dx, tolerance_of(dtype));
  expect_close(got_dw.fetch(), want_dw, tolerance_of(dw_dtype, 2e-6));
  EXPECT_TRUE(equal_bits(got_dx.fetch(), dx_again.fetch()) && equal_bits(got_dw.fetch(), dw_again.fetch()));
}

TEST_F(CudaRmsNormBackward, EqualsTheReference) {
  for (const DType dtype : kActivations) {
    for (const NormBackwardCase& c : kNormBackwardCases) expect_norm_backward(gpu(dtype), c, DType::kF32);
    for (const NormBackwardCase& c : {NormBackwardCase{8192, 512}, {700, 4096}, {3, 8192}, {5, 20000}})
      for (const DType dw : kActivations) expect_norm_backward(gpu(dtype), c, dw);
  }
}

}  // namespace
}  // namespace poro
