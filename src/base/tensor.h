// A tensor is a view: where the elements are, their type and shape. Contiguous, row-major, at most four
// dimensions; whoever allocated the memory (an Arena, a mapped file) owns it and outlives the view.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

#include "base/dtype.h"
#include "base/error.h"

namespace poro {

class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);
  // Of sizes from outside; nothing when they are more than kMaxRank.
  static std::optional<Shape> from(std::span<const int64_t> dims);

  int rank() const { return rank_; }
  int64_t operator[](int i) const {
    CHECK(i >= 0 && i < rank_, "dimension {} of a shape of rank {}", i, rank_);
    return dims_[static_cast<size_t>(i)];
  }
  int64_t elements() const;
  // Without the first dimension.
  Shape tail() const;
  Shape with_first(int64_t first) const;
  std::string str() const;  // "(4, 128)"
  bool operator==(const Shape&) const = default;

 private:
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

// Which memory a tensor lies in: the host's, or that of the GPU whose arena it came from.
enum class Place : uint8_t { kHost, kGpu };

struct Tensor {
  std::byte* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;
  Place place = Place::kHost;

  explicit operator bool() const { return data != nullptr; }
  int64_t dim(int i) const { return shape[i]; }
  int64_t elements() const { return shape.elements(); }
  size_t bytes() const {
    return (static_cast<size_t>(elements()) * static_cast<size_t>(dtype_bits(dtype)) + 7) / 8;
  }

  // The elements as T; a mismatch with the dtype is a bug.
  template <class T>
  T* as() const {
    CHECK(dtype == DTypeOf<T>::value, "the tensor holds {}", dtype_name(dtype));
    return reinterpret_cast<T*>(data);
  }
  // Rows [first, first + count) along the first dimension.
  Tensor rows(int64_t first, int64_t count) const;
  Tensor reshaped(Shape new_shape) const;
  std::string str() const { return std::string(dtype_name(dtype)) + shape.str(); }
};

// One element as a double, whatever the floating type; for the reference backend and tests.
double load_element(const Tensor& tensor, int64_t index);
void store_element(const Tensor& tensor, int64_t index, double value);

}  // namespace poro
