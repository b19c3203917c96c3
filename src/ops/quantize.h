// Weights in fewer bits: 8 or 4 bits a weight and one bf16 scale for each row of a group of columns; w = level * scale. A matrix is cut
// into blocks of 32 rows by one group, laid out for the dot products of four bytes that every processor of today has
// (VNNI, AMX, maddubs): a product streams the blocks once, front to back, and uses each line as it was loaded.
//
// A block: 32 bf16 scales (64 bytes), then slices of 128 bytes. Slice j holds four columns of every row: byte 4 r + c belongs to
// row r, column 4 j + c. Sixteen slices of sixteen rows are also a tile of AMX.
//   int8  groups of 128 columns; level = the signed byte, -127..127; 8.125 bits a weight.
//   int4  groups of 64 columns; level = kInt4Levels[code]; the low half of a byte belongs to column 4 j + c, the high half to
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

// The sixteen levels of int4: closer together where weights are dense. Lloyd's algorithm on groups of normal numbers, each with
// its best scale (tools/int4_levels.py); a fifth to a third less squared error than evenly spaced levels. The sign of the scale
// chooses the side with the longer reach.
constexpr std::array<int8_t, 16> kInt4Levels = {-127, -96, -75, -59, -45, -32, -20, -9, 2, 13, 24, 36, 49, 64, 83, 108};

// Columns that share a scale.
int64_t group_columns(DType dtype);

// The shape of the blocks of an (O, I) matrix: (panels, groups, bytes of a block).
Shape block_shape(const Quantization& quantization);

// Memory for the blocks of an (O, I) matrix, to be filled by quantize().
Matrix quantized_matrix(Arena& arena, const Quantization& quantization);

// Quantises plain `source` (f32, f16, bf16) into `target`; panels are shared out over `pool`. The same bits on every
// processor and for every number of threads.
void quantize(ThreadPool& pool, const Matrix& source, const Matrix& target);

// Row `row` of any matrix as floats: what every backend's product must equal up to rounding.
void dequantize_row(const Matrix& matrix, int64_t row, std::span<float> out);

}  // namespace poro
