// Weights in the compressed-tensors layout: what the quantisers of the vLLM project write into Hugging Face
// folders. config.json has "quantization_config" with quant_method "compressed-tensors"; a matrix X is then
//
//   int-quantized   X (O, I) i8 and X_scale;             w = (level - zero point) * scale
//   float-quantized X (O, I) f8 e4m3 and X_scale;        w = value * scale
//   pack-quantized  X_packed (O, I * bits / 32) i32, low bits first, each level plus 2^(bits-1); X_scale;
//   X_shape
//
// with one scale for all (), for each row (O, 1), or for each row of a group of columns (O, G), or for blocks
// of both. Scales of activations are left out of account: activations keep their type here.
// vllm-project/compressed-tensors.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/device.h"
#include "base/threads.h"
#include "model/safetensors.h"

namespace poro {

struct CompressedWeight {
  enum class Kind { kInt8, kFloat8, kPacked };

  Kind kind = Kind::kInt8;
  int bits = 8;
  Shape shape;                                  // (O, I)
  std::span<const std::byte> values;            // In the mapped file
  Tensor scale;                                 // (rows / rows_per_scale, columns / columns_per_scale)
  std::span<const std::byte> zero_points = {};  // i8, as many as scales, or none
  int64_t rows_per_scale = 1, columns_per_scale = 1;
};

// Checks the block of config.json; `where` names the file. Throws Error for other methods and formats.
void check_compressed_config(const nlohmann::json& block, const std::string& where);

// How the weight `name` of this shape is stored in the file; nothing when the file holds none of its parts,
// or holds it plain. Throws Error for parts that do not fit together.
std::optional<CompressedWeight> find_compressed(SafetensorsFile& file, const std::string& name,
                                                const Shape& shape);

// Whether a tensor of this name belongs to a compressed weight, or to quantised activations, of a name in the
// table.
bool is_compressed_part(const std::string& name);

// Into `out`, (O, I) f32: exact for every kind.
void decompress(ThreadPool& pool, const CompressedWeight& weight, const Tensor& out);

// The int-quantized form of a matrix (f32, f16, bf16): levels -127..127, a bf16 scale for each row of `group`
// columns.
struct Int8Form {
  Tensor values;  // (O, I) i8
  Tensor scale;   // (O, I / group) bf16
};
Int8Form compress_int8(Arena& arena, const Tensor& matrix, int64_t group);
// What config.json says about weights in that form; `group` as above.
nlohmann::ordered_json int8_config(int64_t group, bool has_tied_head);

}  // namespace poro
