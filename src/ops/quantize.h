// Weights in fewer bits: 8 or 4 bits a weight and one bf16 scale for each row of a group of columns; w =
// level * scale. A matrix is cut into blocks of 32 rows by one group, laid out for the dot products of four
// bytes that every processor of today has (VNNI, AMX, maddubs): a product streams the blocks once, front to
// back, and uses each line as it was loaded.
//
// A block: 32 bf16 scales (64 bytes), then slices of 128 bytes. Slice j holds four columns of every row: byte
// 4 r + c belongs to row r, column 4 j + c. Sixteen slices of sixteen rows are also a tile of AMX.
//   int8  groups of 128 columns; level = the signed byte, -127..127; 8.125 bits a weight.
//   int4  groups of 64 columns; level = kInt4Levels[code]; the low half of a byte belongs to column 4 j + c,
//   the high half to
//         column 32 + 4 j + c; 4.25 bits a weight.
// Rows and columns that do not fill a block are padded with zeros.
#pragma once

#include <array>
#include <span>

#include "base/device.h"
#include "base/threads.h"
#include "ops/matrix.h"

namespace poro {

constexpr int64_t kPanelRows = 32;   // Rows of a block; a panel is the blocks of 32 rows.
constexpr int64_t kScaleBytes = 64;  // Of a block: 32 bf16.
constexpr int64_t kSliceBytes = 128;

struct Int8Block {
  static constexpr int64_t kColumns = 128;
  static constexpr int64_t kSlices = kColumns / 4;
  static constexpr int64_t kBytes = kScaleBytes + kSlices * kSliceBytes;
};

struct Int4Block {
  static constexpr int64_t kColumns = 64;
  static constexpr int64_t kSlices = kColumns / 8;
  static constexpr int64_t kBytes = kScaleBytes + kSlices * kSliceBytes;
};

// The sixteen levels of int4: closer together where weights are dense. Lloyd's algorithm on groups of normal
// numbers, each with its best scale (tools/int4_levels.py); a fifth to a third less squared error than evenly
// spaced levels. The sign of the scale chooses the side with the longer reach.
constexpr std::array<int8_t, 16> kInt4Levels = {-127, -96, -75, -59, -45, -32, -20, -9,
                                                2,    13,  24,  36,  49,  64,  83,  108};

// On a GPU a matrix is rows of bytes, laid out for tensor cores (ops/cuda/weight_format.h):
//   fp8   e4m3, largest magnitude of a row at 448; one f32 scale a row, apart; rows padded to 64 bytes.
//   int8  level + 128 as a byte, -127..127; the same otherwise.
//   int4  panels of eight rows, front to back in units of 256 columns: 1088 bytes, two chunks of 128 columns
//   and then, for each row, the
//         bf16 scales of its four groups of 64 columns. A chunk is 64 bytes of each row: sixteen bytes for
//         each c of 0..3, of which word j holds the columns 16 c + 8 j .. + 8 of the chunk's first group,
//         word 2 + j those of the second. A weight's level is its code - kMiddle; that of column k is turned
//         left by turn(k) bits in its word, so that two operations take a pair of codes to the mantissas of
//         f16 numbers. Rows that do not fill a panel, and columns that do not fill a unit, are zeros.
struct GpuInt4 {
  static constexpr int64_t kColumns = 64, kUnitColumns = 256, kUnitBytes = 1088, kPanelRows = 8;
  static constexpr float kMiddle = 7.5f;

  static constexpr int turn(int64_t column) {
    const int pair = static_cast<int>(column % 8) / 2;
    return (pair % 2 == 0 ? 6 : 2) + (pair < 2 ? 0 : 8) + static_cast<int>(column % 2) * 16;
  }
  static constexpr int64_t row_bytes(int64_t columns) {
    return (columns + kUnitColumns - 1) / kUnitColumns * kUnitBytes / kPanelRows;
  }
  // Bytes from the matrix's first to the unit with an element, to the word with its code, and to the scale of
  // its group.
  static constexpr int64_t unit_at(int64_t row, int64_t column, int64_t row_bytes) {
    return row / kPanelRows * kPanelRows * row_bytes + column / kUnitColumns * kUnitBytes;
  }
  static constexpr int64_t word_at(int64_t row, int64_t column, int64_t row_bytes) {
    return unit_at(row, column, row_bytes) + column % kUnitColumns / 128 * 512 + row % kPanelRows * 64 +
           column % kColumns / 16 * 16 + column % 128 / kColumns * 8 + column % 16 / 8 * 4;
  }
  static constexpr int64_t scale_at(int64_t row, int64_t column, int64_t row_bytes) {
    return unit_at(row, column, row_bytes) + 1024 + row % kPanelRows * 8 +
           column % kUnitColumns / kColumns * 2;
  }
};

// Columns that share a scale on a processor.
int64_t group_columns(DType dtype);

// The shape of the blocks of an (O, I) matrix: (panels, groups, bytes of a block).
Shape block_shape(const Quantization& quantization);

// The shape of the rows of an (O, I) matrix on a GPU: (O, bytes of a row), whole panels of int4.
Shape gpu_rows_shape(const Quantization& quantization);

// Memory for an (O, I) matrix in the layout of the arena's place, to be filled by quantize().
Matrix quantized_matrix(Arena& arena, const Quantization& quantization);

// Quantises plain `source` (f32, f16, bf16) into `target`; panels are shared out over `pool`. The same bits
// on every processor and for every number of threads.
void quantize(ThreadPool& pool, const Matrix& source, const Matrix& target);

// The same with both on the GPU (source bf16 or f32) and done there.
void quantize(Cuda& cuda, const Matrix& source, const Matrix& target);
// By the device, in whose memory both are.
void quantize(Device& device, const Matrix& source, const Matrix& target);
// The weights of a quantised matrix on the GPU as a plain one, (O, I) bf16 or f32, also there.
void dequantize(Cuda& cuda, const Matrix& source, const Tensor& target);

// Row `row` of any matrix in the host's memory as floats, whichever layout it is in: what every backend's
// product must equal up to rounding.
void dequantize_row(const Matrix& matrix, int64_t row, std::span<float> out);

}  // namespace poro
