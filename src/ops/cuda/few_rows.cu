// The product with a residual as work of the ring: a tile is sixteen neighbouring rows.
#include "ops/cuda/few_rows.h"

#include "ops/cuda/ring_matrix.h"

namespace poro {
namespace few_rows {
namespace {

struct LinearWork {
  static constexpr int kExtraBytes = 0;

  Shared shared;
  Weights w;
  void* y;               // (T, O)
  const void* residual;  // (T, O) or none
  bool is_y_f32, is_residual_f32;

  __device__ HalfTile low(int tile) const { return w.rows(int64_t{tile} * kTileRows); }
  __device__ HalfTile high(int tile) const { return w.rows(int64_t{tile} * kTileRows + 8); }
  __device__ int64_t pitch() const { return w.pitch; }
  __device__ int64_t scale_pitch() const { return w.scale_pitch; }
  __device__ void prepare(std::byte*) const {}
  __device__ void store_one(int64_t output, int token, float value) const {
    const int64_t index = token * w.outputs + output;
    if (residual != nullptr) value += load_value(residual, is_residual_f32, index);
    store_value(y, is_y_f32, index, value);
  }
  __device__ void store(int tile, int row, int token, float low, float high, bool has_low, bool has_high, const std::byte*) const {
    if (has_low) store_one(int64_t{tile} * kTileRows + row, token, low);
    if (has_high) store_one(int64_t{tile} * kTileRows + row + 8, token, high);
  }
};

bool is_bf16_or_f32(const Tensor& tensor) { return tensor.dtype == DType::kBF16 || tensor.dtype == DType::kF32; }

}  // namespace
}  // namespace few_rows

bool run_few_rows(Cuda& cuda, const Linear& op) {
  using namespace few_rows;
  if (op.x.dim(0) > kFewRows) return false;
  CHECK(is_bf16_or_f32(op.x) && is_bf16_or_f32(op.y) && (!op.residual || is_bf16_or_f32(op.residual)), "x {}, y {}, residual {}", op.x.str(),
        op.y.str(), op.residual.str());
  if (fits_ring(cuda, op.x, op.w)) {
    const LinearWork work{.shared = ring_shared(op.x, op.w, (op.w.outputs() + kTileRows - 1) / kTileRows),
                          .w = ring_weights(op.w),
                          .y = op.y.data,
                          .residual = op.residual.data,
                          .is_y_f32 = op.y.dtype == DType::kF32,
                          .is_residual_f32 = op.residual.dtype == DType::kF32};
    if (launch_for(op.w.dtype(), cuda, work)) return true;
  }
  run_few_rows_plainly(cuda, op);
  return true;
}

}  // namespace poro
