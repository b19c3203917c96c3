// Products with int8 and int4 weights: close to the reference (the activations lose a little), exactly what
// the definition says up to the rounding of float sums, and the same bits on every instruction set, for every
// number of threads and tokens.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/random.h"
#include "ops/cpu/linear_kernels.h"
#include "ops/quantize.h"

namespace poro {
namespace {

constexpr float kGuard = 12345.0f;

std::vector<float> normal_numbers(int64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>(std::sqrt(-2 * std::log(1 - random.uniform())) *
                                        std::cos(6.283185307179586 * random.uniform())));
  return values;
}

std::vector<const char*> levels() {
  std::vector<const char*> present;
  for (const char* isa : {"portable", "avx2", "avx512", "vnni", "amx"}) {
    setenv("PORO_CPU_ISA", isa, 1);
    try {
      detect_isa();
      present.push_back(isa);
    } catch (const Error&) {
    }
  }
  unsetenv("PORO_CPU_ISA");
  return present;
}

// One product: random x and w, the space for y with a guard behind it.
struct Case {
  Case(DType dtype, int64_t tokens, const Shape& shape)
      : arena("case"),
        x(arena.tensor(DType::kF32, {tokens, shape[1]})),
        w(quantized_matrix(arena, {.dtype = dtype, .shape = shape})),
        residual(arena.tensor(DType::kF32, {tokens, shape[0]})) {
    const std::vector<float> x_values = normal_numbers(x.elements(), 1),
                             w_values = normal_numbers(shape.elements(), 2),
                             r_values = normal_numbers(residual.elements(), 3);
    std::copy(x_values.begin(), x_values.end(), x.as<float>());
    std::copy(r_values.begin(), r_values.end(), residual.as<float>());
    const Matrix plain{.values = arena.tensor(DType::kF32, shape), .quantization = {}};
    for (int64_t i = 0; i < shape.elements(); ++i)
      plain.values.as<float>()[i] = 0.02f * w_values[static_cast<size_t>(i)];
    ThreadPool pool(2);
    quantize(pool, plain, w);
  }

  std::vector<float> run_on(const char* isa, int threads, bool has_residual) const {
    setenv("PORO_CPU_ISA", isa, 1);
    Cpu cpu(threads);
    unsetenv("PORO_CPU_ISA");
    std::vector<float> y(static_cast<size_t>(residual.elements()) + 16, kGuard);
    const Tensor out{
        .data = reinterpret_cast<std::byte*>(y.data()), .dtype = DType::kF32, .shape = residual.shape};
    linear_quantized(cpu, {.x = x, .w = w, .y = out, .residual = has_residual ? residual : Tensor{}});
    for (int i = 0; i < 16; ++i) EXPECT_EQ(y[y.size() - 1 - static_cast<size_t>(i)], kGuard) << isa;
    y.resize(y.size() - 16);
    return y;
  }

  std::vector<double> reference(const Tensor& input, bool has_residual) {
    const Tensor y = arena.tensor(DType::kF64, residual.shape);
    Reference oracle;
    run(oracle, Linear{.x = input, .w = w, .y = y, .residual = has_residual ? residual : Tensor{}});
    return {y.as<double>(), y.as<double>() + y.elements()};
  }

  // x as the definition rounds it: int8 with the largest magnitude of a group at 127.
  Tensor rounded_x() {
    const Tensor rounded = arena.tensor(DType::kF32, x.shape);
    const int64_t inputs = x.dim(1), columns = group_columns(w.dtype());
    for (int64_t t = 0; t < x.dim(0); ++t)
      for (int64_t begin = 0; begin < inputs; begin += columns) {
        const float* from = x.as<float>() + t * inputs;
        float* to = rounded.as<float>() + t * inputs;
        float largest = 0;
        const int64_t end = std::min(inputs, begin + columns);
        for (int64_t i = begin; i < end; ++i) largest = std::max(largest, std::fabs(from[i]));
        for (int64_t i = begin; i < end; ++i)
          to[i] = std::nearbyint(from[i] * (127.0f / largest)) * (largest / 127.0f);
      }
    return rounded;
  }

  Arena arena;
  Tensor x;
  Matrix w;
  Tensor residual;
};

double relative_error(const std::vector<float>& y, const std::vector<double>& expected) {
  double error = 0, power = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    error += std::pow(static_cast<double>(y[i]) - expected[i], 2);
    power += expected[i] * expected[i];
  }
  return std::sqrt(error / power);
}

TEST(LinearQuantized, EveryLevelAgreesWithTheReference) {
  for (const DType dtype : {DType::kI8, DType::kI4})
    for (const int64_t tokens : {1, 2, 7, 17, 64, 512})
      for (const Shape& shape : {Shape{1, 8}, Shape{33, 65}, Shape{100, 176}, Shape{320, 1100}}) {
        if (tokens == 512 && shape[1] != 1100) continue;
        for (const bool has_residual : {false, true}) {
          Case c(dtype, tokens, shape);
          const std::vector<double> exact = c.reference(c.x, has_residual);
          const std::vector<double> rounded = c.reference(c.rounded_x(), has_residual);
          std::vector<float> first;
          for (const char* isa : levels())
            for (const int threads : {1, 3}) {
              const std::vector<float> y = c.run_on(isa, threads, has_residual);
              // A step of the activations is 2.5 to 3 deviations / 127, so its rounding costs 0.6 to 0.7 %;
              // groups of a few columns more.
              EXPECT_LT(relative_error(y, exact), shape[1] < 64 ? 0.03 : 0.012)
                  << isa << ' ' << tokens << shape.str();
              // What is left are float sums and scales that differ in the last bit.
              EXPECT_LT(relative_error(y, rounded), 1e-6) << isa << ' ' << tokens << shape.str();
              if (first.empty()) first = y;
              EXPECT_EQ(first, y) << isa << ' ' << threads << " threads " << tokens << shape.str();
            }
        }
      }
}

TEST(LinearQuantized, ATokenDoesNotDependOnItsCompany) {
  for (const DType dtype : {DType::kI8, DType::kI4}) {
    const Case c(dtype, 600, {96, 1500});
    for (const char* isa : levels()) {
      const std::vector<float> all = c.run_on(isa, 2, false);
      setenv("PORO_CPU_ISA", isa, 1);
      Cpu cpu(2);
      unsetenv("PORO_CPU_ISA");
      for (const int64_t token : {0, 7, 511, 512, 599}) {
        std::vector<float> y(96);
        const Tensor out{
            .data = reinterpret_cast<std::byte*>(y.data()), .dtype = DType::kF32, .shape = {1, 96}};
        linear_quantized(cpu, {.x = c.x.rows(token, 1), .w = c.w, .y = out, .residual = {}});
        EXPECT_TRUE(std::equal(y.begin(), y.end(), all.begin() + token * 96)) << isa << ' ' << token;
      }
    }
  }
}

TEST(LinearQuantized, AddsToYInPlace) {
  const Case c(DType::kI4, 40, {70, 300});
  for (const char* isa : levels()) {
    const std::vector<float> expected = c.run_on(isa, 2, true);
    setenv("PORO_CPU_ISA", isa, 1);
    Cpu cpu(2);
    unsetenv("PORO_CPU_ISA");
    std::vector<float> y(c.residual.as<float>(), c.residual.as<float>() + c.residual.elements());
    const Tensor out{
        .data = reinterpret_cast<std::byte*>(y.data()), .dtype = DType::kF32, .shape = c.residual.shape};
    linear_quantized(cpu, {.x = c.x, .w = c.w, .y = out, .residual = out});
    EXPECT_EQ(y, expected) << isa;
  }
}

}  // namespace
}  // namespace poro
