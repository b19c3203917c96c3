#include "ops/cuda/few_rows.h"
#include "ops/cuda/linear_quantized.h"
#include "ops/cuda/matmul.h"
#include "ops/cuda/row_scales.h"
#include "ops/quantize.h"

namespace poro {
namespace {

// Reading the weights once for every eight rows moves fewer bytes than widening them, which writes and reads
// two bytes a weight.
constexpr int64_t kMostByEights = 32;
constexpr int64_t kWideBytes = int64_t{128} << 20;  // Weights that are widened at a time.

void run_by_eights(Cuda& cuda, const Linear& op) {
  for (int64_t first = 0; first < op.x.dim(0); first += kFewRows) {
    const int64_t rows = std::min(kFewRows, op.x.dim(0) - first);
    run_few_rows(cuda, {.x = op.x.rows(first, rows),
                        .w = op.w,
                        .y = op.y.rows(first, rows),
                        .residual = op.residual ? op.residual.rows(first, rows) : Tensor{}});
  }
}

bool meets_f8(Cuda& cuda, const Linear& op) {
  const bool is_aligned = op.w.inputs() % 16 == 0 && op.w.outputs() % 16 == 0;
  return op.x.dim(0) > kMostByEights && op.w.dtype() == DType::kF8 && op.x.dtype == DType::kBF16 &&
         op.y.dtype == DType::kBF16 && is_aligned && cuda.state().capability() >= 90;
}

RowsToF8 rows_in_f8(Cuda& cuda, const Tensor& x) {
  const int64_t rows = x.dim(0), inputs = x.dim(1), value_bytes = (rows * inputs + 255) / 256 * 256;
  std::byte* memory = cuda.scratch(static_cast<size_t>(value_bytes + rows * int64_t{sizeof(float)}));
  const RowsToF8 task{.rows = x,
                      .values = reinterpret_cast<uint8_t*>(memory),
                      .scales = reinterpret_cast<float*>(memory + value_bytes),
                      .pitch = inputs};
  rows_to_f8(cuda, task);
  return task;
}

void multiply_f8(Cuda& cuda, const RowsToF8& x, const Linear& op) {
  matmul(cuda, {.rows = op.x.dim(0),
                .columns = op.w.outputs(),
                .depth = op.w.inputs(),
                .a = {.data = x.values, .stride = x.pitch},
                .b = {.data = op.w.values.data, .stride = op.w.values.dim(1), .stored = Stored::kTransposed},
                .operands = DType::kF8,
                .y = op.y.data,
                .result = op.y.dtype,
                .add = op.residual.data,
                .a_scales = x.scales,
                .b_scales = gpu_data<float>(op.w.scales)});
}

// Outputs [first, first + count) of a quantised matrix.
Matrix outputs_of(const Matrix& w, int64_t first, int64_t count) {
  return {.values = w.values.rows(first, count),
          .quantization = Quantization{.dtype = w.dtype(), .shape = {count, w.inputs()}},
          .scales = w.scales ? w.scales.rows(first, count) : Tensor{}};
}

void run_widened(Cuda& cuda, const Linear& op) {
  const int64_t outputs = op.w.outputs(), inputs = op.w.inputs(), element = dtype_bits(op.x.dtype) / 8,
                y_element = dtype_bits(op.y.dtype) / 8;
  const int64_t parts = (outputs * inputs * element + kWideBytes - 1) / kWideBytes;
  const int64_t part = ((outputs + parts - 1) / parts + 127) / 128 * 128;
  std::byte* wide = cuda.scratch(static_cast<size_t>(std::min(part, outputs) * inputs * element));
  for (int64_t first = 0; first < outputs; first += part) {
    const int64_t count = std::min(part, outputs - first);
    dequantize(cuda, outputs_of(op.w, first, count),
               {.data = wide, .dtype = op.x.dtype, .shape = {count, inputs}, .place = Place::kGpu});
    matmul(cuda, {.rows = op.x.dim(0),
                  .columns = count,
                  .depth = inputs,
                  .a = {.data = op.x.data, .stride = inputs},
                  .b = {.data = wide, .stride = inputs, .stored = Stored::kTransposed},
                  .operands = op.x.dtype,
                  .y = op.y.data + first * y_element,
                  .result = op.y.dtype,
                  .add = op.residual ? op.residual.data + first * y_element : nullptr,
                  .y_stride = outputs});
  }
}

}  // namespace

bool run_in_f8(Cuda& cuda, const Linears& op) {
  for (size_t i = 0; i < op.parts.size(); ++i)
    if (!meets_f8(cuda, op.part(i))) return false;
  const RowsToF8 x = rows_in_f8(cuda, op.x);
  for (size_t i = 0; i < op.parts.size(); ++i) multiply_f8(cuda, x, op.part(i));
  return true;
}

void run_quantised(Cuda& cuda, const Linear& op) {
  if (run_few_rows(cuda, op)) return;
  if (op.x.dim(0) <= kMostByEights) return run_by_eights(cuda, op);
  if (meets_f8(cuda, op)) return multiply_f8(cuda, rows_in_f8(cuda, op.x), op);
  run_widened(cuda, op);
}

}  // namespace poro
