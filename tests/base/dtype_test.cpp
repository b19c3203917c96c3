// The 16-bit formats over all their values: each converts to float and back to itself, and every float
// between two neighbours goes to the nearer one, the middle to the even one. That is the whole definition of
// rounding, so no oracle is needed.
#include "base/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace poro {
namespace {

template <class T>
T from_bits(uint32_t bits) {
  T value;
  value.bits = static_cast<uint16_t>(bits);
  return value;
}

template <class T>
float to_float(uint32_t bits) {
  return static_cast<float>(from_bits<T>(bits));
}

template <class T>
void expect_round_trips() {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = to_float<T>(bits);
    const T back(value);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(static_cast<float>(back))) << bits;
      ASSERT_EQ(back.bits >> 15, bits >> 15) << "the sign of a NaN";
    } else {
      ASSERT_EQ(back.bits, bits);
    }
  }
}

// `infinity`: the bits of +infinity; the values below it are in order.
template <class T>
void expect_nearest_even(uint32_t infinity) {
  for (uint32_t low = 0; low + 1 < infinity; ++low) {
    const float below = to_float<T>(low), above = to_float<T>(low + 1);
    ASSERT_LT(below, above);
    const float middle = below + (above - below) / 2;  // Exact: a float has room for one more bit.
    const uint32_t even = low % 2 == 0 ? low : low + 1;
    for (const float sign : {1.0f, -1.0f}) {
      const uint32_t sign_bit = sign < 0 ? 0x8000u : 0u;
      ASSERT_EQ(T(sign * middle).bits, even | sign_bit) << middle;
      ASSERT_EQ(T(sign * std::nextafter(middle, below)).bits, low | sign_bit) << middle;
      ASSERT_EQ(T(sign * std::nextafter(middle, above)).bits, (low + 1) | sign_bit) << middle;
    }
  }
}

TEST(Float16, EveryValueRoundTrips) {
  expect_round_trips<Float16>();
}
TEST(BFloat16, EveryValueRoundTrips) {
  expect_round_trips<BFloat16>();
}
TEST(Float16, RoundsToNearestEven) {
  expect_nearest_even<Float16>(0x7c00);
}
TEST(BFloat16, RoundsToNearestEven) {
  expect_nearest_even<BFloat16>(0x7f80);
}

TEST(Float16, MeansWhatTheStandardSays) {
  EXPECT_EQ(to_float<Float16>(0x3c00), 1.0f);
  EXPECT_EQ(to_float<Float16>(0xc000), -2.0f);
  EXPECT_EQ(to_float<Float16>(0x7bff), 65504.0f);
  EXPECT_EQ(to_float<Float16>(0x0001), std::ldexp(1.0f, -24));
  EXPECT_EQ(to_float<Float16>(0x0400), std::ldexp(1.0f, -14));
  EXPECT_EQ(Float16(65519.996f).bits, 0x7bffu);
  EXPECT_EQ(Float16(65520.0f).bits, 0x7c00u) << "rounds past the largest finite value";
  EXPECT_EQ(Float16(-1e30f).bits, 0xfc00u);
  EXPECT_EQ(Float16(std::numeric_limits<float>::infinity()).bits, 0x7c00u);
  EXPECT_EQ(Float16(std::numeric_limits<float>::denorm_min()).bits, 0u);
  EXPECT_EQ(Float16(-0.0f).bits, 0x8000u);
}

TEST(BFloat16, MeansTheUpperHalfOfAFloat) {
  EXPECT_EQ(to_float<BFloat16>(0x3f80), 1.0f);
  EXPECT_EQ(BFloat16(std::numeric_limits<float>::max()).bits, 0x7f80u)
      << "rounds past the largest finite value";
  EXPECT_EQ(BFloat16(-std::numeric_limits<float>::infinity()).bits, 0xff80u);
  EXPECT_EQ(BFloat16(-0.0f).bits, 0x8000u);
}

TEST(DType, NamesAndSizes) {
  EXPECT_EQ(dtype_name(DType::kBF16), "bf16");
  EXPECT_EQ(dtype_bits(DType::kI4), 4);
  EXPECT_EQ(dtype_bits(DTypeOf<double>::value), 64);
  EXPECT_EQ(dtype_bits(DTypeOf<Float16>::value), 16);
}

}  // namespace
}  // namespace poro
