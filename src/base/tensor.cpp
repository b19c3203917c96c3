#include "base/tensor.h"

#include <algorithm>

namespace poro {

Shape::Shape(std::initializer_list<int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  CHECK(rank_ <= kMaxRank, "rank {}", rank_);
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

std::optional<Shape> Shape::from(std::span<const int64_t> dims) {
  if (dims.size() > kMaxRank) return std::nullopt;
  Shape shape;
  shape.rank_ = static_cast<int>(dims.size());
  std::ranges::copy(dims, shape.dims_.begin());
  return shape;
}

int64_t Shape::elements() const {
  int64_t product = 1;
  for (int i = 0; i < rank_; ++i) product *= dims_[static_cast<size_t>(i)];
  return product;
}

Shape Shape::tail() const {
  CHECK(rank_ > 0, "a scalar has no tail");
  Shape result;
  result.rank_ = rank_ - 1;
  std::copy(dims_.begin() + 1, dims_.begin() + rank_, result.dims_.begin());
  return result;
}

Shape Shape::with_first(int64_t first) const {
  CHECK(rank_ > 0, "a scalar has no first dimension");
  Shape result = *this;
  result.dims_[0] = first;
  return result;
}

std::string Shape::str() const {
  std::string text = "(";
  for (int i = 0; i < rank_; ++i) text += (i > 0 ? ", " : "") + std::to_string(dims_[static_cast<size_t>(i)]);
  return text + ")";
}

Tensor Tensor::rows(int64_t first, int64_t count) const {
  CHECK(first >= 0 && count >= 0 && first + count <= dim(0), "rows {}+{} of {}", first, count, str());
  const int64_t row_bits = shape.tail().elements() * dtype_bits(dtype);
  CHECK(row_bits % 8 == 0, "rows of {} do not start on a byte", str());
  return {
      .data = data + first * row_bits / 8, .dtype = dtype, .shape = shape.with_first(count), .place = place};
}

Tensor Tensor::reshaped(Shape new_shape) const {
  CHECK(new_shape.elements() == elements(), "{} as {}", str(), new_shape.str());
  return {.data = data, .dtype = dtype, .shape = new_shape, .place = place};
}

double load_element(const Tensor& tensor, int64_t index) {
  CHECK(tensor.place == Place::kHost, "{} is on a GPU", tensor.str());
  switch (tensor.dtype) {
    case DType::kF64:
      return tensor.as<double>()[index];
    case DType::kF32:
      return static_cast<double>(tensor.as<float>()[index]);
    case DType::kF16:
      return static_cast<double>(static_cast<float>(tensor.as<Float16>()[index]));
    case DType::kBF16:
      return static_cast<double>(static_cast<float>(tensor.as<BFloat16>()[index]));
    default:
      CHECK(false, "{} is not floating", tensor.str());
  }
}

void store_element(const Tensor& tensor, int64_t index, double value) {
  CHECK(tensor.place == Place::kHost, "{} is on a GPU", tensor.str());
  switch (tensor.dtype) {
    case DType::kF64:
      tensor.as<double>()[index] = value;
      return;
    case DType::kF32:
      tensor.as<float>()[index] = static_cast<float>(value);
      return;
    case DType::kF16:
      tensor.as<Float16>()[index] = Float16(static_cast<float>(value));
      return;
    case DType::kBF16:
      tensor.as<BFloat16>()[index] = BFloat16(static_cast<float>(value));
      return;
    default:
      CHECK(false, "{} is not floating", tensor.str());
  }
}

}  // namespace poro
