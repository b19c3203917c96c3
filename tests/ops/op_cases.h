// What the tests of ops share: tensors with guards around them, random or poisoned; every instruction set
// this machine has; and the comparison with the reference backend.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "base/device.h"
#include "ops/op.h"

namespace poro {

// A tensor that owns its memory. Every element starts as NaN (i32: -1); bytes before and after it must not
// change.
class Guarded {
 public:
  Guarded(DType dtype, Shape shape) : view_{.data = nullptr, .dtype = dtype, .shape = shape} {
    memory_.assign(view_.bytes() + 2 * kGuard, std::byte{kPattern});
    view_.data = memory_.data() + kGuard;
    std::memset(view_.data, 0xff, view_.bytes());
  }
  Guarded(Guarded&&) = default;
  ~Guarded() {
    if (memory_.empty()) return;  // Moved from.
    const auto is_intact = [](std::byte value) { return value == std::byte{kPattern}; };
    EXPECT_TRUE(std::all_of(memory_.begin(), memory_.begin() + kGuard, is_intact))
        << "written before " << view_.str();
    EXPECT_TRUE(std::all_of(memory_.end() - kGuard, memory_.end(), is_intact))
        << "written behind " << view_.str();
  }
  operator const Tensor&() const { return view_; }  // NOLINT: it is a tensor.
  const Tensor& tensor() const { return view_; }

 private:
  static constexpr int64_t kGuard =
      256;  // A multiple of 64, so that alignment is the allocator's: not more than 16.
  static constexpr unsigned char kPattern = 0xa5;
  std::vector<std::byte> memory_;
  Tensor view_;
};

inline Guarded random_tensor(DType dtype, Shape shape, uint64_t seed, double deviation = 1.0) {
  Guarded result(dtype, shape);
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal(0.0, deviation);
  for (int64_t i = 0; i < shape.elements(); ++i) store_element(result, i, normal(engine));
  return result;
}

inline Guarded ints(const std::vector<int32_t>& values, Shape shape) {
  Guarded result(DType::kI32, shape);
  std::copy(values.begin(), values.end(), result.tensor().as<int32_t>());
  return result;
}
inline Guarded ints(const std::vector<int32_t>& values) {
  return ints(values, {static_cast<int64_t>(values.size())});
}

inline Guarded copy_as(DType dtype, const Tensor& source) {
  Guarded result(dtype, source.shape);
  for (int64_t i = 0; i < source.elements(); ++i) store_element(result, i, load_element(source, i));
  return result;
}

// What rounding operands to `operands` leaves as it is.
inline Guarded representable(DType operands, const Tensor& source) {
  return copy_as(source.dtype, copy_as(operands, source));
}

// Every element within `tolerance` times the largest expected magnitude.
inline void expect_close(const Tensor& actual, const Tensor& expected, double tolerance) {
  ASSERT_EQ(actual.shape, expected.shape);
  double largest = 0, worst = 0;
  int64_t where = 0;
  for (int64_t i = 0; i < expected.elements(); ++i)
    largest = std::max(largest, std::abs(load_element(expected, i)));
  for (int64_t i = 0; i < expected.elements(); ++i) {
    const double error = std::abs(load_element(actual, i) - load_element(expected, i));
    if (!(error <= worst)) worst = error, where = i;  // Catches NaN.
    if (std::isnan(error)) break;
  }
  EXPECT_LE(worst, tolerance * largest)
      << "element " << where << ": " << load_element(actual, where) << " instead of "
      << load_element(expected, where) << "; largest " << largest;
}

inline bool equal_bits(const Tensor& a, const Tensor& b) {
  return a.shape == b.shape && a.dtype == b.dtype && std::memcmp(a.data, b.data, a.bytes()) == 0;
}

// Runs body(cpu) for every instruction set this machine has, on one, two and three threads.
template <class Body>
void on_every_cpu(const Body& body) {
  for (const Isa isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512, Isa::kVnni, Isa::kAmx}) {
    if (isa > detect_isa()) break;
    for (const int threads : {1, 2, 3}) {
      SCOPED_TRACE(testing::Message() << isa_name(isa) << ", threads: " << threads);
      Cpu cpu(threads, isa);
      body(cpu);
      if (testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace poro
