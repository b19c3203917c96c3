#include "ops/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/cpu_isa.h"
#include "base/random.h"

namespace poro {
namespace {

enum class Tails { kNormal, kHeavy };

// Normal numbers of deviation 0.02, or Student's t with five degrees of freedom: what trained weights look
// like at their worst.
std::vector<float> random_weights(int64_t count, Tails tails, uint64_t seed) {
  Random random(seed);
  const auto normal = [&] {
    const double u = 1 - random.uniform(), v = random.uniform();
    return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
  };
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    double value = normal();
    if (tails == Tails::kHeavy) {
      double chi = 0;
      for (int k = 0; k < 5; ++k) chi += std::pow(normal(), 2);
      value /= std::sqrt(chi / 5);
    }
    values.push_back(static_cast<float>(0.02 * value));
  }
  return values;
}

struct Source {
  Source(DType dtype, Shape shape, const std::vector<float>& values)
      : arena("source"), matrix{arena.tensor(dtype, shape), {}} {
    for (size_t i = 0; i < values.size(); ++i)
      store_element(matrix.values, static_cast<int64_t>(i), static_cast<double>(values[i]));
  }
  Arena arena;
  Matrix matrix;
};

// The squared error of all rows relative to the sum of squares.
double relative_error(const Matrix& source, const Matrix& quantised) {
  std::vector<float> row(static_cast<size_t>(source.inputs()));
  double error = 0, power = 0;
  for (int64_t o = 0; o < source.outputs(); ++o) {
    dequantize_row(quantised, o, row);
    for (int64_t i = 0; i < source.inputs(); ++i) {
      const double w = load_element(source.values, o * source.inputs() + i);
      error += std::pow(w - static_cast<double>(row[static_cast<size_t>(i)]), 2);
      power += w * w;
    }
  }
  return error / power;
}

TEST(Quantize, BlocksHoldTheShape) {
  EXPECT_EQ(block_shape({.dtype = DType::kI8, .shape = {4096, 14336}}), (Shape{128, 112, 64 + 32 * 128}));
  EXPECT_EQ(block_shape({.dtype = DType::kI4, .shape = {4096, 14336}}), (Shape{128, 224, 64 + 32 * 32}));
  EXPECT_EQ(block_shape({.dtype = DType::kI4, .shape = {33, 65}}), (Shape{2, 2, 64 + 32 * 32}));
}

// The limits are the errors of a uniform 8-bit and the measured ones of a 16-level code with the best scale,
// plus a tenth.
TEST(Quantize, LosesLittle) {
  struct Case {
    DType dtype;
    Tails tails;
    double limit;
  };
  for (const Case& c : {Case{DType::kI8, Tails::kNormal, 0.5e-4}, Case{DType::kI8, Tails::kHeavy, 1.6e-4},
                        Case{DType::kI4, Tails::kNormal, 7.5e-3}, Case{DType::kI4, Tails::kHeavy, 1.1e-2}}) {
    const Source source(DType::kBF16, {64, 4096}, random_weights(64 * 4096, c.tails, 1));
    ThreadPool pool(2);
    Arena arena("target");
    const Matrix target = quantized_matrix(arena, {.dtype = c.dtype, .shape = {64, 4096}});
    quantize(pool, source.matrix, target);
    const double error = relative_error(source.matrix, target);
    EXPECT_LT(error, c.limit) << dtype_name(c.dtype);
    EXPECT_GT(error, c.limit / 4) << dtype_name(c.dtype);
  }
}

TEST(Quantize, TakesAnyShapeAndSourceType) {
  for (const DType dtype : {DType::kI8, DType::kI4})
    for (const DType source_dtype : {DType::kF32, DType::kF16, DType::kBF16})
      for (const Shape& shape :
           {Shape{1, 1}, Shape{33, 65}, Shape{31, 128}, Shape{64, 176}, Shape{7, 1000}}) {
        const Source source(source_dtype, shape, random_weights(shape.elements(), Tails::kNormal, 2));
        ThreadPool pool(2);
        Arena arena("target");
        const Matrix target = quantized_matrix(arena, {.dtype = dtype, .shape = shape});
        quantize(pool, source.matrix, target);
        EXPECT_LT(relative_error(source.matrix, target), dtype == DType::kI8 ? 1e-4 : 1.2e-2)
            << source.matrix.values.str();
      }
}

TEST(Quantize, KeepsExactValues) {
  // Powers of two times the levels come back exactly: the search finds the scale they were made with.
  std::vector<float> values;
  for (int i = 0; i < 64; ++i)
    values.push_back(static_cast<float>(kInt4Levels[static_cast<size_t>(i % 16)]) * 0.0078125f);
  const Source source(DType::kF32, {1, 64}, values);
  ThreadPool pool(1);
  Arena arena("target");
  const Matrix target = quantized_matrix(arena, {.dtype = DType::kI4, .shape = {1, 64}});
  quantize(pool, source.matrix, target);
  EXPECT_EQ(relative_error(source.matrix, target), 0);
  // Zeros stay zeros.
  std::memset(source.matrix.values.data, 0, source.matrix.values.bytes());
  quantize(pool, source.matrix, target);
  std::vector<float> row(64, 1.0f);
  dequantize_row(target, 0, row);
  EXPECT_EQ(row, std::vector<float>(64, 0.0f));
}

TEST(Quantize, GivesTheSameBitsOnEveryLevelAndForEveryThreadCount) {
  for (const DType dtype : {DType::kI8, DType::kI4})
    for (const DType source_dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      const Shape shape{70, 1000};
      const Source source(source_dtype, shape, random_weights(shape.elements(), Tails::kHeavy, 3));
      std::vector<std::byte> first;
      for (const char* isa : {"portable", "avx2", "avx512"}) {
        setenv("PORO_CPU_ISA", isa, 1);
        try {
          detect_isa();
        } catch (const Error&) {
          continue;
        }
        ThreadPool pool(isa[0] == 'p' ? 1 : 3);
        Arena arena("target");
        const Matrix target = quantized_matrix(arena, {.dtype = dtype, .shape = shape});
        quantize(pool, source.matrix, target);
        const std::vector<std::byte> bits(target.values.data, target.values.data + target.values.bytes());
        if (first.empty()) first = bits;
        EXPECT_EQ(first, bits) << isa;
      }
      unsetenv("PORO_CPU_ISA");
    }
}

}  // namespace
}  // namespace poro
