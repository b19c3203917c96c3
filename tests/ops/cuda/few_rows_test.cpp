// Products of few rows on the GPU against the reference: the rings for bf16 activations, the plain loops for
// the rest.
#include "ops/cuda/few_rows.h"

#include "tests/ops/cuda/gpu_matrix.h"

namespace poro {
namespace {

constexpr DType kFormats[] = {DType::kBF16, DType::kF8, DType::kI8, DType::kI4};

class FewRows : public OnGpu {};

struct Case {
  DType weights, activations;
  int64_t tokens, inputs, outputs;
  bool has_residual;
};

// f32 results of exact products: the tensor cores' sums are cut, not rounded, at 2^-23 of their magnitude,
// once for sixteen columns; bf16 results are rounded to 2^-9.
double tolerance(DType y) {
  return y == DType::kBF16 ? 4e-3 : 5e-5;
}

void expect_product(Device& device, const Case& c, DType y_dtype) {
  SCOPED_TRACE(testing::Message() << c.tokens << " x " << c.inputs << " x " << c.outputs << " "
                                  << dtype_name(c.weights) << ", x " << dtype_name(c.activations) << ", y "
                                  << dtype_name(y_dtype));
  const GpuMatrix w(device, c.weights, {c.outputs, c.inputs}, 1);
  const Guarded x = random_tensor(c.activations, {c.tokens, c.inputs}, 2, 3.0),
                residual = random_tensor(y_dtype, {c.tokens, c.outputs}, 3);
  const GpuTensor gpu_x(device, x), gpu_residual(device, residual), y(device, y_dtype, {c.tokens, c.outputs});
  ASSERT_TRUE(run_few_rows(
      device.cuda_backend(),
      Linear{
          .x = gpu_x, .w = w.gpu(), .y = y, .residual = c.has_residual ? gpu_residual.tensor() : Tensor{}}));
  const Guarded expected(DType::kF64, {c.tokens, c.outputs});
  Reference reference;
  run(reference,
      Linear{
          .x = x, .w = w.host(), .y = expected, .residual = c.has_residual ? residual.tensor() : Tensor{}});
  expect_close(y.fetch(), expected, tolerance(y_dtype));
}

TEST_F(FewRows, EqualTheReferenceInEveryFormat) {
  Device& device = gpu(DType::kBF16);
  for (const DType format : kFormats)
    for (const int64_t tokens : {1, 2, 3, 5, 8})
      for (const Shape& shape : {Shape{1, 128}, Shape{7, 256}, Shape{16, 512}, Shape{130, 1152},
                                 Shape{33, 2048}, Shape{4096, 640}, Shape{70, 14336}})
        expect_product(device, {format, DType::kBF16, tokens, shape[1], shape[0], tokens % 2 == 1},
                       tokens == 3 ? DType::kBF16 : DType::kF32);
}

// Sizes that no chunk divides, activations that leave no room in shared memory, and f32.
TEST_F(FewRows, EqualTheReferenceWhereTheRingDoesNotReach) {
  for (const DType activations : {DType::kF32, DType::kBF16}) {
    Device& device = gpu(activations);
    for (const DType format : {DType::kBF16, DType::kF8, DType::kI8, DType::kI4, DType::kF32, DType::kF16})
      for (const int64_t tokens : {1, 4, 8})
        for (const Shape& shape :
             {Shape{1, 1}, Shape{5, 37}, Shape{19, 200}, Shape{64, 1000}, Shape{30, 28672}})
          expect_product(device, {format, activations, tokens, shape[1], shape[0], tokens == 4}, activations);
  }
}

TEST_F(FewRows, ARowHasTheSameBitsBesideAnyOthers) {
  Device& device = gpu(DType::kBF16);
  Cuda& cuda = device.cuda_backend();
  for (const DType format : kFormats)
    for (const int64_t inputs : {4096, 1000}) {
      constexpr int64_t kOutputs = 300;
      const GpuMatrix w(device, format, {kOutputs, inputs}, 1);
      const GpuTensor x(device, random_tensor(DType::kBF16, {8, inputs}, 2)),
          all(device, DType::kF32, {8, kOutputs});
      run_few_rows(cuda, {.x = x, .w = w.gpu(), .y = all, .residual = {}});
      const Guarded expected = all.fetch();
      for (const int64_t tokens : {1, 2, 3, 4, 5, 6, 7, 8}) {
        const GpuTensor part(device, DType::kF32, {tokens, kOutputs});
        run_few_rows(cuda,
                     {.x = x.tensor().rows(8 - tokens, tokens), .w = w.gpu(), .y = part, .residual = {}});
        EXPECT_TRUE(equal_bits(part.fetch(), expected.tensor().rows(8 - tokens, tokens)))
            << tokens << " rows, " << dtype_name(format);
      }
    }
}

// Activations far from one: f16 would not hold them without the power of two.
TEST_F(FewRows, TakeLargeAndSmallActivations) {
  Device& device = gpu(DType::kBF16);
  for (const DType format : kFormats)
    for (const double deviation : {1e-12, 1e-4, 1e6, 1e12}) {
      const GpuMatrix w(device, format, {48, 512}, 1);
      const Guarded x = random_tensor(DType::kBF16, {2, 512}, 2, deviation);
      const GpuTensor gpu_x(device, x), y(device, DType::kF32, {2, 48});
      run_few_rows(device.cuda_backend(), {.x = gpu_x, .w = w.gpu(), .y = y, .residual = {}});
      const Guarded expected(DType::kF64, {2, 48});
      Reference reference;
      run(reference, Linear{.x = x, .w = w.host(), .y = expected, .residual = {}});
      expect_close(y.fetch(), expected, tolerance(DType::kF32));
    }
}

// Many launches that depend on each other and overlap: y of one is x of the next, and the weights change
// hands in the ring.
TEST_F(FewRows, ChainsGiveTheSameBitsEveryTime) {
  Device& device = gpu(DType::kBF16);
  Cuda& cuda = device.cuda_backend();
  constexpr int64_t kWidth = 2048;
  for (const DType format : kFormats)
    for (const int64_t tokens : {1, 8}) {
      SCOPED_TRACE(testing::Message() << tokens << " tokens, " << dtype_name(format));
      const GpuMatrix a(device, format, {kWidth, kWidth}, 1), b(device, format, {kWidth, kWidth}, 2);
      const Guarded start = random_tensor(DType::kBF16, {tokens, kWidth}, 3);
      const auto chain = [&](bool waits) {
        const GpuTensor x(device, start), y(device, DType::kBF16, {tokens, kWidth});
        for (int i = 0; i < 50; ++i) {
          EXPECT_TRUE(run_few_rows(cuda, {.x = x, .w = a.gpu(), .y = y, .residual = {}}));
          if (waits) device.synchronize();
          EXPECT_TRUE(run_few_rows(cuda, {.x = y, .w = b.gpu(), .y = x, .residual = y}));
          if (waits) device.synchronize();
        }
        return x.fetch();
      };
      const Guarded expected = chain(true);
      for (int repetition = 0; repetition < 4; ++repetition) EXPECT_TRUE(equal_bits(chain(false), expected));
    }
}

// Products of the same rows together: few rows by the ring, more in fp8, which are made from x once.
TEST_F(FewRows, ProductsOfTheSameRowsAreThoseOfEach) {
  Device& device = gpu(DType::kBF16);
  for (const DType format : kFormats)
    for (const int64_t tokens : {3, 40}) {
      const GpuMatrix a(device, format, {96, 512}, 1), b(device, format, {48, 512}, 2);
      const GpuTensor x(device, random_tensor(DType::kBF16, {tokens, 512}, 3)),
          y(device, DType::kBF16, {tokens, 96}), z(device, DType::kBF16, {tokens, 48}),
          y_alone(device, DType::kBF16, {tokens, 96}), z_alone(device, DType::kBF16, {tokens, 48});
      const Linears::Part parts[] = {{a.gpu(), y}, {b.gpu(), z}};
      run(device, Linears{.x = x, .parts = parts});
      run(device, Linear{.x = x, .w = a.gpu(), .y = y_alone, .residual = {}});
      run(device, Linear{.x = x, .w = b.gpu(), .y = z_alone, .residual = {}});
      EXPECT_TRUE(equal_bits(y.fetch(), y_alone.fetch())) << tokens << " " << dtype_name(format);
      EXPECT_TRUE(equal_bits(z.fetch(), z_alone.fetch())) << tokens << " " << dtype_name(format);
    }
}

}  // namespace
}  // namespace poro
