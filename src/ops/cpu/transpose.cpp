#include "ops/cpu/transpose.h"

#include <algorithm>
#include <type_traits>

#include "ops/op.h"

namespace poro {
namespace {

template <class To, class From>
To converted(From value) {
  if constexpr (std::is_same_v<To, From>)
    return value;
  else
    return To(static_cast<float>(value));
}

// Square by square: a square's rows and columns both stay in the first-level cache.
template <class From, class To>
void transpose_typed(ThreadPool& pool, const Tensor& from, const Tensor& to) {
  constexpr int64_t kSquare = 32;
  const int64_t rows = from.dim(0), columns = from.dim(1);
  const From* in = from.as<From>();
  To* out = to.as<To>();
  parallel_for(pool, columns, kSquare, [&](Range range) {
    for (int64_t first_column = range.begin; first_column < range.end; first_column += kSquare)
      for (int64_t first_row = 0; first_row < rows; first_row += kSquare) {
        const int64_t last_column = std::min(range.end, first_column + kSquare),
                      last_row = std::min(rows, first_row + kSquare);
        for (int64_t c = first_column; c < last_column; ++c)
          for (int64_t r = first_row; r < last_row; ++r)
            out[c * rows + r] = converted<To>(in[r * columns + c]);
      }
  });
}

}  // namespace

void transpose(ThreadPool& pool, const Tensor& from, const Tensor& to) {
  CHECK_SHAPE(to, {from.dim(1), from.dim(0)});
  if (from.dtype == DType::kF32 && to.dtype == DType::kF32)
    return transpose_typed<float, float>(pool, from, to);
  if (from.dtype == DType::kF32 && to.dtype == DType::kBF16)
    return transpose_typed<float, BFloat16>(pool, from, to);
  if (from.dtype == DType::kBF16 && to.dtype == DType::kBF16)
    return transpose_typed<BFloat16, BFloat16>(pool, from, to);
  if (from.dtype == DType::kF16 && to.dtype == DType::kF32)
    return transpose_typed<Float16, float>(pool, from, to);
  CHECK(false, "{} to {}", from.str(), to.str());
}

Tensor transposed_weights(Cpu& cpu, const Matrix& w) {
  CHECK(!w.is_quantised(), "gradients through quantised weights");
  const DType dtype = w.dtype() == DType::kBF16 ? DType::kBF16 : DType::kF32;
  Tensor turned{.data = nullptr, .dtype = dtype, .shape = {w.inputs(), w.outputs()}};
  turned.data = cpu.operands(turned.bytes());
  transpose(cpu.pool, w.values, turned);
  return turned;
}

}  // namespace poro
