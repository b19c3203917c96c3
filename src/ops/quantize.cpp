#include "ops/quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/cpu_isa.h"
#include "ops/cpu/quantize_row.h"

namespace poro {
namespace {

using QuantizeRowFunction = void (*)(const QuantizeRow&);

QuantizeRowFunction choose_quantize_row() {
#if defined(__x86_64__)
  const Isa isa = detect_isa();
  if (isa >= Isa::kAvx512) return quantize_row_avx512;
  if (isa >= Isa::kAvx2) return quantize_row_avx2;
#endif
  return quantize_row_portable;
}

int64_t block_bytes(DType dtype) {
  return dtype == DType::kI8 ? Int8Block::kBytes : Int4Block::kBytes;
}

// The level of one column of a row of the panel; `block` is the first of the panel.
int level(DType dtype, const std::byte* block, int64_t row, int64_t column) {
  const int64_t columns = group_columns(dtype);
  block += column / columns * block_bytes(dtype) + kScaleBytes;
  column %= columns;
  const auto byte = [&](int64_t slice) {
    return static_cast<uint8_t>(block[slice * kSliceBytes + row * 4 + column % 4]);
  };
  if (dtype == DType::kI8) return static_cast<int8_t>(byte(column / 4));
  const uint8_t pair = byte(column % (columns / 2) / 4);
  return kInt4Levels[column < columns / 2 ? pair & 15u : pair >> 4];
}

}  // namespace

int64_t group_columns(DType dtype) {
  CHECK(dtype == DType::kI8 || dtype == DType::kI4, "{} is not a quantised type", dtype_name(dtype));
  return dtype == DType::kI8 ? Int8Block::kColumns : Int4Block::kColumns;
}

Shape block_shape(const Quantization& quantization) {
  const int64_t columns = group_columns(quantization.dtype);
  return {(quantization.shape[0] + kPanelRows - 1) / kPanelRows,
          (quantization.shape[1] + columns - 1) / columns, block_bytes(quantization.dtype)};
}

Shape gpu_rows_shape(const Quantization& quantization) {
  const auto blocks = [&](int64_t columns) { return (quantization.shape[1] + columns - 1) / columns; };
  if (quantization.dtype == DType::kI4)
    return {(quantization.shape[0] + GpuInt4::kPanelRows - 1) / GpuInt4::kPanelRows * GpuInt4::kPanelRows,
            GpuInt4::row_bytes(quantization.shape[1])};
  CHECK(quantization.dtype == DType::kF8 || quantization.dtype == DType::kI8, "{} is not a quantised type",
        dtype_name(quantization.dtype));
  return {quantization.shape[0], blocks(64) * 64};
}

Matrix quantized_matrix(Arena& arena, const Quantization& quantization) {
  if (arena.place() == Place::kGpu) {
    const bool has_scales = quantization.dtype != DType::kI4;
    return {.values = arena.tensor(DType::kI8, gpu_rows_shape(quantization)),
            .quantization = quantization,
            .scales = has_scales ? arena.tensor(DType::kF32, {quantization.shape[0]}) : Tensor{}};
  }
  return {.values = arena.tensor(DType::kI8, block_shape(quantization)), .quantization = quantization};
}

void quantize(ThreadPool& pool, const Matrix& source, const Matrix& target) {
  CHECK(!source.is_quantised() && target.is_quantised(), "from {} to {}", source.values.str(),
        target.values.str());
  CHECK(source.values.shape == target.quantization->shape, "{} into {}", source.values.str(),
        target.quantization->shape.str());
  CHECK(target.values.shape == block_shape(*target.quantization), "blocks {}", target.values.str());
  const QuantizeRowFunction quantize_row = choose_quantize_row();
  const size_t row_bytes = source.values.rows(0, 1).bytes();
  const size_t panel_bytes = target.values.rows(0, 1).bytes();
  parallel_for(pool, target.values.dim(0), 1, [&](Range panels) {
    for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
      std::byte* blocks = target.values.data + static_cast<size_t>(panel) * panel_bytes;
      const int64_t first = panel * kPanelRows, rows = std::min(kPanelRows, source.outputs() - first);
      if (rows < kPanelRows) std::memset(blocks, 0, panel_bytes);
      for (int64_t row = 0; row < rows; ++row)
        quantize_row({.source = source.values.data + static_cast<size_t>(first + row) * row_bytes,
                      .source_dtype = source.values.dtype,
                      .columns = source.inputs(),
                      .panel = blocks,
                      .dtype = target.quantization->dtype,
                      .row = row});
    }
  });
}

void quantize(Device& device, const Matrix& source, const Matrix& target) {
  if (device.is_cuda()) return quantize(device.cuda_backend(), source, target);
  quantize(device.cpu_backend().pool, source, target);
}

namespace {

float f8_value(uint8_t bits) {
  const int exponent = bits >> 3 & 15, mantissa = bits & 7;
  const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9)
                                        : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  return bits & 0x80u ? -magnitude : magnitude;
}

// Rows as a GPU has them.
float gpu_row_value(const Matrix& matrix, int64_t row, int64_t column) {
  const std::byte* bytes = matrix.values.data + row * matrix.values.dim(1);
  if (matrix.dtype() != DType::kI4) {
    const uint8_t byte = static_cast<uint8_t>(bytes[column]);
    const float level = matrix.dtype() == DType::kF8 ? f8_value(byte) : static_cast<float>(byte) - 128.0f;
    return level * matrix.scales.as<float>()[row];
  }
  uint32_t word;
  BFloat16 scale;
  const int64_t row_bytes = matrix.values.dim(1);
  std::memcpy(&word, matrix.values.data + GpuInt4::word_at(row, column, row_bytes), sizeof word);
  std::memcpy(&scale, matrix.values.data + GpuInt4::scale_at(row, column, row_bytes), sizeof scale);
  const uint32_t code = std::rotr(word, GpuInt4::turn(column)) & 15u;
  return (static_cast<float>(code) - GpuInt4::kMiddle) * static_cast<float>(scale);
}

}  // namespace

void dequantize_row(const Matrix& matrix, int64_t row, std::span<float> out) {
  CHECK(row >= 0 && row < matrix.outputs(), "row {} of {}", row, matrix.outputs());
  CHECK(static_cast<int64_t>(out.size()) == matrix.inputs(), "{} values for a row of {}", out.size(),
        matrix.inputs());
  const int64_t inputs = matrix.inputs();
  if (!matrix.is_quantised()) {
    for (int64_t i = 0; i < inputs; ++i)
      out[static_cast<size_t>(i)] = static_cast<float>(load_element(matrix.values, row * inputs + i));
    return;
  }
  if (matrix.values.shape.rank() == 2) {
    for (int64_t i = 0; i < inputs; ++i) out[static_cast<size_t>(i)] = gpu_row_value(matrix, row, i);
    return;
  }
  const DType dtype = matrix.dtype();
  const int64_t columns = group_columns(dtype);
  const std::byte* panel =
      matrix.values.data + static_cast<size_t>(row / kPanelRows) * matrix.values.rows(0, 1).bytes();
  for (int64_t i = 0; i < inputs; ++i) {
    BFloat16 scale;
    std::memcpy(&scale, panel + i / columns * block_bytes(dtype) + row % kPanelRows * 2, sizeof scale);
    out[static_cast<size_t>(i)] =
        static_cast<float>(level(dtype, panel, row % kPanelRows, i)) * static_cast<float>(scale);
  }
}

}  // namespace poro
