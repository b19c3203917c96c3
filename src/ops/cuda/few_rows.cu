// The product with a residual as work of the ring: a tile is sixteen neighbouring rows.
#include "ops/cuda/few_rows.h"
#include "ops/cuda/ring_matrix.h"

namespace poro {
namespace few_rows {
namespace {

struct LinearWork {
  Shared shared;
  Weights w;
  void* y;               // (T, O)
  const void* residual;  // (T, O) or none
  bool is_y_f32, is_residual_f32;

  __device__ HalfTile low(int tile) const { return w.rows(tile * kTileRows); }
  __device__ HalfTile high(int tile) const { return w.rows(tile * kTileRows + 8); }
  // The residual.
  struct Ahead {
    float low = 0, high = 0;
  };
  __device__ int64_t at(int tile, int row, int token) const {
    return token * w.outputs + int64_t{tile} * kTileRows + row;
  }
  __device__ Ahead load(int tile, int row, int token, bool has_low, bool has_high) const {
    if (residual == nullptr) return {};
    return {has_low ? load_value(residual, is_residual_f32, at(tile, row, token)) : 0.0f,
            has_high ? load_value(residual, is_residual_f32, at(tile, row + 8, token)) : 0.0f};
  }
  __device__ void store(int tile, int row, int token, float low, float high, bool has_low, bool has_high,
                        const Ahead& ahead) const {
    if (has_low) store_value(y, is_y_f32, at(tile, row, token), low + ahead.low);
    if (has_high) store_value(y, is_y_f32, at(tile, row + 8, token), high + ahead.high);
  }
};

bool is_bf16_or_f32(const Tensor& tensor) {
  return tensor.dtype == DType::kBF16 || tensor.dtype == DType::kF32;
}

}  // namespace
}  // namespace few_rows

bool run_few_rows(Cuda& cuda, const Linear& op) {
  using namespace few_rows;
  if (op.x.dim(0) > kFewRows) return false;
  CHECK(is_bf16_or_f32(op.x) && is_bf16_or_f32(op.y) && (!op.residual || is_bf16_or_f32(op.residual)),
        "x {}, y {}, residual {}", op.x.str(), op.y.str(), op.residual.str());
  if (fits_ring(cuda, op.x, op.w)) {
    const LinearWork work{.shared = ring_shared(op.x, op.w, (op.w.outputs() + kTileRows - 1) / kTileRows),
                          .w = ring_weights(op.w),
                          .y = op.y.data,
                          .residual = op.residual.data,
                          .is_y_f32 = op.y.dtype == DType::kF32,
                          .is_residual_f32 = op.residual.dtype == DType::kF32};
    if (launch_for(op.w.dtype(), cuda, work)) return true;
    // Rows too wide for shared memory together go in two halves, each of which reads the weights.
    if (const int64_t rows = op.x.dim(0), half = (rows + 1) / 2; rows > 1) {
      const auto part = [&](int64_t first, int64_t count) {
        return run_few_rows(cuda, {.x = op.x.rows(first, count),
                                   .w = op.w,
                                   .y = op.y.rows(first, count),
                                   .residual = op.residual ? op.residual.rows(first, count) : Tensor{}});
      };
      return part(0, half) && part(half, rows - half);
    }
  }
  run_few_rows_plainly(cuda, op);
  return true;
}

}  // namespace poro
