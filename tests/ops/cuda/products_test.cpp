// The products of many rows, forward and backward.
#include "ops/linear.h"
#include "tests/ops/cuda/on_gpu.h"
#include "tests/ops/row_cases.h"

namespace poro {
namespace {

using CudaLinear = OnGpu;
using CudaLinearInputGradient = OnGpu;
using CudaLinearWeightGradient = OnGpu;

// f32 sums of up to 15,000 terms near 1, in blocks.
constexpr double kTolerance = 3e-6;
// Where y is the residual itself, the product may be rounded to y's type before it is added, which is twice
// the rounding.

std::vector<ProductCase> cases() {
  std::vector<ProductCase> all(std::begin(kProductCases), std::end(kProductCases));
  for (const ProductCase& c : {ProductCase{9, 64, 40, DType::kBF16},
                               {17, 4096, 264, DType::kBF16},
                               {16, 512, 4224, DType::kBF16},
                               {32, 4096, 1003, DType::kBF16},
                               {33, 14336, 384, DType::kBF16},
                               {512, 130, 1, DType::kBF16},
                               {8192, 40, 24, DType::kBF16},
                               {40, 3000, 11, DType::kF32}})
    all.push_back(c);
  return all;
}

std::string name_of(const ProductCase& c, DType dtype) {
  return fmt::format("{} x {} x {}, {} on {}", c.tokens, c.inputs, c.outputs, dtype_name(dtype),
                     dtype_name(c.weights));
}

// Weights meet activations in the type of the activations.
Guarded weights_for(const ProductCase& c, DType dtype) {
  const Guarded w = random_tensor(c.weights, {c.outputs, c.inputs}, 2);
  return copy_as(c.weights, copy_as(dtype, w));
}

void expect_linear(Device& device, const ProductCase& c, DType result) {
  const DType dtype = device.activation_dtype();
  SCOPED_TRACE(name_of(c, dtype) + " to " + std::string(dtype_name(result)));
  const Guarded x = random_tensor(dtype, {c.tokens, c.inputs}, 1), w = weights_for(c, dtype),
                residual = random_tensor(result, {c.tokens, c.outputs}, 3);
  const Guarded plain(DType::kF64, {c.tokens, c.outputs}), expected(DType::kF64, {c.tokens, c.outputs});
  Reference reference;
  run(reference, Linear{.x = x, .w = {.values = w}, .y = plain, .residual = {}});
  run(reference, Linear{.x = x, .w = {.values = w}, .y = expected, .residual = residual});
  const GpuTensor gpu_x(device, x), gpu_w(device, w), gpu_residual(device, residual);
  const GpuTensor y(device, result, plain.tensor().shape), z(device, result, plain.tensor().shape),
      in_place(device, residual), again(device, result, plain.tensor().shape);
  run(device, Linear{.x = gpu_x, .w = {.values = gpu_w}, .y = y, .residual = {}});
  expect_close(y.fetch(), plain, tolerance_of(result, kTolerance));
  run(device, Linear{.x = gpu_x, .w = {.values = gpu_w}, .y = z, .residual = gpu_residual});
  expect_close(z.fetch(), expected, tolerance_of(result, kTolerance));
  run(device, Linear{.x = gpu_x, .w = {.values = gpu_w}, .y = in_place, .residual = in_place});
  expect_close(in_place.fetch(), expected, 2 * tolerance_of(result, kTolerance));
  run(device, Linear{.x = gpu_x, .w = {.values = gpu_w}, .y = again, .residual = {}});
  EXPECT_TRUE(equal_bits(y.fetch(), again.fetch()));
}

TEST_F(CudaLinear, EqualsTheReference) {
  for (const DType dtype : kActivations)
    for (const ProductCase& c : cases())
      for (const DType result : {dtype, DType::kF32}) expect_linear(gpu(dtype), c, result);
}

TEST_F(CudaLinearInputGradient, EqualsTheReference) {
  for (const DType dtype : kActivations)
    for (const ProductCase& c : cases()) {
      SCOPED_TRACE(name_of(c, dtype));
      Device& device = gpu(dtype);
      const Guarded dy = random_tensor(dtype, {c.tokens, c.outputs}, 1), w = weights_for(c, dtype),
                    residual = random_tensor(dtype, {c.tokens, c.inputs}, 3);
      const Guarded expected(DType::kF64, {c.tokens, c.inputs});
      Reference reference;
      run(reference, LinearInputGradient{.dy = dy, .w = {.values = w}, .dx = expected, .residual = residual});
      const GpuTensor gpu_dy(device, dy), gpu_w(device, w), gpu_residual(device, residual),
          dx(device, dtype, {c.tokens, c.inputs});
      const GpuTensor in_place(device, residual), again(device, dtype, {c.tokens, c.inputs});
      run(device,
          LinearInputGradient{.dy = gpu_dy, .w = {.values = gpu_w}, .dx = dx, .residual = gpu_residual});
      expect_close(dx.fetch(), expected, tolerance_of(dtype, kTolerance));
      run(device,
          LinearInputGradient{.dy = gpu_dy, .w = {.values = gpu_w}, .dx = in_place, .residual = in_place});
      expect_close(in_place.fetch(), expected, 2 * tolerance_of(dtype, kTolerance));
      run(device,
          LinearInputGradient{.dy = gpu_dy, .w = {.values = gpu_w}, .dx = again, .residual = gpu_residual});
      EXPECT_TRUE(equal_bits(dx.fetch(), again.fetch()));
    }
}

TEST_F(CudaLinearWeightGradient, EqualsTheReference) {
  for (const DType dtype : kActivations)
    for (const ProductCase& c : cases())
      for (const DType result : kActivations) {
        if (dtype == DType::kF32 && result == DType::kBF16)
          continue;  // Gradients are not narrower than activations.
        SCOPED_TRACE(name_of(c, dtype) + ", dw " + std::string(dtype_name(result)));
        Device& device = gpu(dtype);
        const Guarded dy = random_tensor(dtype, {c.tokens, c.outputs}, 1),
                      x = random_tensor(dtype, {c.tokens, c.inputs}, 2);
        const Guarded before = random_tensor(result, {c.outputs, c.inputs}, 3),
                      expected = copy_as(DType::kF64, before);
        Reference reference;
        run(reference, LinearWeightGradient{.dy = dy, .x = x, .dw = expected, .operands = dtype});
        const GpuTensor gpu_dy(device, dy), gpu_x(device, x), dw(device, before), again(device, before);
        run(device, LinearWeightGradient{.dy = gpu_dy, .x = gpu_x, .dw = dw, .operands = dtype});
        run(device, LinearWeightGradient{.dy = gpu_dy, .x = gpu_x, .dw = again, .operands = dtype});
        expect_close(dw.fetch(), expected, (dtype == result ? 2 : 1) * tolerance_of(result, kTolerance));
        EXPECT_TRUE(equal_bits(dw.fetch(), again.fetch()));
      }
}

// The products of a model: too large for the reference, so a few elements of each, and the bits of a second
// run.
TEST_F(CudaLinear, OfAModelsSizeIsRightWhereItIsAskedAndRepeats) {
  constexpr int64_t kTokens = 512, kInputs = 4096, kOutputs = 14336;
  Device& device = gpu(DType::kBF16);
  const Guarded x = random_tensor(DType::kBF16, {kTokens, kInputs}, 1),
                w = random_tensor(DType::kBF16, {kOutputs, kInputs}, 2);
  const GpuTensor gpu_x(device, x), gpu_w(device, w), y(device, DType::kBF16, {kTokens, kOutputs}),
      dw(device, DType::kBF16, {kOutputs, kInputs});
  const GpuTensor again(device, DType::kBF16, {kTokens, kOutputs}),
      dw_again(device, DType::kBF16, {kOutputs, kInputs});
  run(device, Linear{.x = gpu_x, .w = {.values = gpu_w}, .y = y, .residual = {}});
  run(device, Linear{.x = gpu_x, .w = {.values = gpu_w}, .y = again, .residual = {}});
  const Guarded got = y.fetch();
  EXPECT_TRUE(equal_bits(got, again.fetch()));
  for (int64_t i = 0; i < 1000; ++i) {
    const int64_t t = i * 7919 % kTokens, o = i * 104729 % kOutputs;
    double want = 0;
    for (int64_t c = 0; c < kInputs; ++c)
      want += load_element(x, t * kInputs + c) * load_element(w, o * kInputs + c);
    ASSERT_NEAR(load_element(got, t * kOutputs + o), want, std::abs(want) * 0x1p-8 + 1e-3) << t << ", " << o;
  }
  for (const GpuTensor* each : {&dw, &dw_again}) {
    device.zero(*each);
    run(device, LinearWeightGradient{.dy = y, .x = gpu_x, .dw = *each, .operands = DType::kBF16});
  }
  EXPECT_TRUE(equal_bits(dw.fetch(), dw_again.fetch()));
}

// A product that comes often is measured, and may go on with another algorithm.
TEST_F(CudaLinear, KeepsItsBitsHoweverOftenItComes) {
  Device& device = gpu(DType::kBF16);
  const GpuTensor x(device, random_tensor(DType::kBF16, {700, 1024}, 1)),
      w(device, random_tensor(DType::kBF16, {1536, 1024}, 2)),
      start(device, random_tensor(DType::kBF16, {700, 1536}, 3));
  const auto product = [&](const Tensor& residual) {
    const GpuTensor y(device, DType::kBF16, {700, 1536});
    run(device, Linear{.x = x, .w = {.values = w}, .y = y, .residual = residual});
    return y.fetch();
  };
  const Guarded first = product({}), with_residual = product(start);
  for (int i = 0; i < 80; ++i) {
    ASSERT_TRUE(equal_bits(product({}), first)) << i;
    ASSERT_TRUE(equal_bits(product(start), with_residual)) << i;
  }
}

}  // namespace
}  // namespace poro
