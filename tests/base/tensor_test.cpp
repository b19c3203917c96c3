// Views: shapes, rows and reshapes, and that misuse aborts instead of reading elsewhere.
#include "base/tensor.h"

#include <gtest/gtest.h>

#include <vector>

namespace poro {
namespace {

TEST(Shape, CountsComparesAndPrints) {
  const Shape shape{4, 8, 2};
  EXPECT_EQ(shape.rank(), 3);
  EXPECT_EQ(shape.elements(), 64);
  EXPECT_EQ(shape.tail(), (Shape{8, 2}));
  EXPECT_EQ(shape.with_first(1), (Shape{1, 8, 2}));
  EXPECT_NE(shape, (Shape{4, 8}));
  EXPECT_EQ(shape.str(), "(4, 8, 2)");
  EXPECT_EQ(Shape{}.elements(), 1) << "a scalar";
  EXPECT_EQ((Shape{0, 8}).elements(), 0);
}

TEST(Tensor, RowsAndReshapedLookAtTheSameMemory) {
  std::vector<float> values(12);
  const Tensor tensor{
      .data = reinterpret_cast<std::byte*>(values.data()), .dtype = DType::kF32, .shape = {4, 3}};
  EXPECT_EQ(tensor.bytes(), 48u);
  const Tensor rows = tensor.rows(1, 2);
  EXPECT_EQ(rows.shape, (Shape{2, 3}));
  rows.as<float>()[0] = 7;
  EXPECT_EQ(values[3], 7);
  tensor.reshaped({2, 6}).as<float>()[11] = 9;
  EXPECT_EQ(values[11], 9);
  EXPECT_EQ(tensor.rows(4, 0).elements(), 0);
  EXPECT_EQ(tensor.str(), "f32(4, 3)");
  EXPECT_FALSE(Tensor{});
}

TEST(Tensor, FourBitRowsStartOnBytes) {
  std::vector<std::byte> bytes(8);
  const Tensor tensor{.data = bytes.data(), .dtype = DType::kI4, .shape = {4, 4}};
  EXPECT_EQ(tensor.bytes(), 8u);
  EXPECT_EQ(tensor.rows(2, 1).data, bytes.data() + 4);
  const Tensor odd{.data = bytes.data(), .dtype = DType::kI4, .shape = {5, 3}};
  EXPECT_EQ(odd.bytes(), 8u) << "15 halves of a byte";
  EXPECT_DEATH(odd.rows(1, 1), "do not start on a byte");
}

TEST(Tensor, ElementsOfEveryFloatingType) {
  std::vector<std::byte> bytes(64);
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kF16, DType::kBF16}) {
    const Tensor tensor{.data = bytes.data(), .dtype = dtype, .shape = {8}};
    store_element(tensor, 3, -1.5);
    EXPECT_EQ(load_element(tensor, 3), -1.5) << dtype_name(dtype);
  }
}

TEST(TensorDeath, MisuseAborts) {
  std::vector<float> values(12);
  const Tensor tensor{
      .data = reinterpret_cast<std::byte*>(values.data()), .dtype = DType::kF32, .shape = {4, 3}};
  EXPECT_DEATH(tensor.rows(3, 2), "rows 3\\+2 of");
  EXPECT_DEATH(tensor.rows(-1, 2), "rows -1\\+2 of");
  EXPECT_DEATH(tensor.reshaped({5}), "as \\(5\\)");
  EXPECT_DEATH(tensor.as<double>(), "holds f32");
  EXPECT_DEATH(tensor.dim(2), "dimension 2");
  const Tensor integers{.data = tensor.data, .dtype = DType::kI32, .shape = {12}};
  EXPECT_DEATH(load_element(integers, 0), "not floating");
}

}  // namespace
}  // namespace poro
