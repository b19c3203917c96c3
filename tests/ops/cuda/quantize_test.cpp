// Weights quantised by the GPU: what they lose, that every byte is the layout's, and that the bits are the
// same every time.
#include "ops/quantize.h"

#include "tests/ops/cuda/gpu_matrix.h"

namespace poro {
namespace {

class GpuQuantize : public OnGpu {};

double relative_error(const Tensor& source, const Matrix& quantised) {
  std::vector<float> row(static_cast<size_t>(source.dim(1)));
  double error = 0, power = 0;
  for (int64_t o = 0; o < source.dim(0); ++o) {
    dequantize_row(quantised, o, row);
    for (int64_t i = 0; i < source.dim(1); ++i) {
      const double w = load_element(source, o * source.dim(1) + i);
      error += std::pow(w - static_cast<double>(row[static_cast<size_t>(i)]), 2);
      power += w * w;
    }
  }
  return error / power;
}

// fp8 rounds to 2^-4 of each weight at most: a uniform error gives (2^-4)^2 / 12 times a bit more where the
// mantissa is small; int8 has the step of the largest of a row, 3.5 to 4.5 deviations, over 127; int4's is
// the measured error of its levels.
TEST_F(GpuQuantize, LosesLittle) {
  Device& device = gpu(DType::kBF16);
  struct Case {
    DType dtype;
    double limit;
  };
  for (const Case& c : {Case{DType::kF8, 9e-4}, Case{DType::kI8, 1.2e-4}, Case{DType::kI4, 9.5e-3}})
    for (const Shape& shape : {Shape{64, 4096}, Shape{5, 200}, Shape{33, 1000}, Shape{1, 64}}) {
      const Guarded source = random_tensor(DType::kBF16, shape, 1, 0.02);  // What GpuMatrix draws.
      const GpuMatrix w(device, c.dtype, shape, 1);
      const double error = relative_error(source, w.host());
      const bool is_large = shape.elements() > 10000;
      EXPECT_LT(error, c.limit * (is_large ? 1 : 1.4)) << dtype_name(c.dtype) << shape.str();
      EXPECT_GT(error, c.limit / 4) << dtype_name(c.dtype) << shape.str();
    }
}

TEST_F(GpuQuantize, WidensToWhatTheLayoutSays) {
  Device& device = gpu(DType::kBF16);
  for (const DType dtype : {DType::kF8, DType::kI8, DType::kI4})
    for (const Shape& shape : {Shape{3, 8}, Shape{5, 200}, Shape{33, 1000}, Shape{7, 4097}}) {
      const GpuMatrix w(device, dtype, shape, 1);
      const GpuTensor plain(device, DType::kF32, shape), rounded(device, DType::kBF16, shape);
      dequantize(device.cuda_backend(), w.gpu(), plain);
      dequantize(device.cuda_backend(), w.gpu(), rounded);
      const Guarded expected(DType::kF32, shape);
      for (int64_t o = 0; o < shape[0]; ++o)
        dequantize_row(w.host(), o,
                       {expected.tensor().as<float>() + o * shape[1], static_cast<size_t>(shape[1])});
      EXPECT_TRUE(equal_bits(plain.fetch(), expected)) << dtype_name(dtype) << shape.str();
      EXPECT_TRUE(equal_bits(rounded.fetch(), copy_as(DType::kBF16, expected)))
          << dtype_name(dtype) << shape.str();
    }
}

TEST_F(GpuQuantize, KeepsZerosAndExactValues) {
  Device& device = gpu(DType::kBF16);
  Arena arena("weights", device);
  for (const DType dtype : {DType::kF8, DType::kI8, DType::kI4}) {
    const Guarded source(DType::kF32, {2, 128});
    for (int64_t i = 0; i < 128; ++i) {
      store_element(source, i, 0);
      const double magnitude = static_cast<double>(i % 8) + 0.5;
      store_element(source, 128 + i, (i / 8 % 2 == 0 ? magnitude : -magnitude) * 0.0078125);
    }
    const Tensor plain = arena.tensor(DType::kF32, {2, 128});
    device.copy(source, plain);
    const Matrix w = quantized_matrix(arena, {.dtype = dtype, .shape = {2, 128}});
    quantize(device.cuda_backend(), {.values = plain, .quantization = {}}, w);
    const GpuTensor result(device, DType::kF32, {2, 128});
    dequantize(device.cuda_backend(), w, result);
    const Guarded values = result.fetch();
    for (int64_t i = 0; i < 128; ++i) EXPECT_EQ(load_element(values, i), 0) << dtype_name(dtype);
    for (int64_t i = 0; i < 128 && dtype == DType::kI4; ++i)
      EXPECT_EQ(load_element(values, 128 + i), load_element(source, 128 + i));
  }
}

TEST_F(GpuQuantize, GivesTheSameBitsEveryTime) {
  Device& device = gpu(DType::kBF16);
  for (const DType dtype : {DType::kF8, DType::kI8, DType::kI4}) {
    const GpuMatrix a(device, dtype, {300, 1000}, 1), b(device, dtype, {300, 1000}, 1);
    EXPECT_TRUE(equal_bits(a.host().values, b.host().values)) << dtype_name(dtype);
    if (a.host().scales) {
      EXPECT_TRUE(equal_bits(a.host().scales, b.host().scales)) << dtype_name(dtype);
    }
  }
}

}  // namespace
}  // namespace poro
