#include "model/compressed_tensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"

namespace poro {
namespace {

// Sign, four bits of exponent (bias 7), three of mantissa; no infinities, NaN is all ones. Micikevicius et
// al., FP8 formats for deep learning, 2022.
float float8_value(uint8_t byte) {
  const int exponent = byte >> 3 & 15, mantissa = byte & 7;
  float value = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9)
                              : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  if ((byte & 0x7F) == 0x7F) value = NAN;
  return byte & 0x80 ? -value : value;
}

constexpr std::array<std::string_view, 3> kWeightParts = {"_packed", "_scale", "_shape"};

// One level or value of row `row`, before its scale.
float stored_value(const CompressedWeight& weight, int64_t row, int64_t column) {
  const int64_t columns = weight.shape[1];
  if (weight.kind == CompressedWeight::Kind::kPacked) {
    const int64_t per_word = 32 / weight.bits, words = (columns + per_word - 1) / per_word;
    uint32_t word = 0;
    std::memcpy(&word, weight.values.data() + (row * words + column / per_word) * 4, sizeof word);
    const uint32_t level = word >> (column % per_word * weight.bits) & ((1u << weight.bits) - 1);
    return static_cast<float>(static_cast<int>(level) - (1 << (weight.bits - 1)));
  }
  const auto byte = std::to_integer<uint8_t>(weight.values[static_cast<size_t>(row * columns + column)]);
  if (weight.kind == CompressedWeight::Kind::kInt8) return static_cast<float>(static_cast<int8_t>(byte));
  return float8_value(byte);
}

// The one scale, one for each row, for each row of a group of columns, or for each block.
void read_scale(SafetensorsFile& file, const std::string& name, CompressedWeight& weight) {
  const std::string scale_name = name + "_scale";
  if (!file.entries().contains(scale_name))
    fail("{}: the tensor \"{}\" is quantised, but its \"{}\" is missing", file.path().string(), name,
         scale_name);
  weight.scale = file.tensor(scale_name);
  const Tensor& scale = weight.scale;
  const bool is_floating =
      scale.dtype == DType::kF32 || scale.dtype == DType::kF16 || scale.dtype == DType::kBF16;
  const int64_t rows = weight.shape[0], columns = weight.shape[1];
  const int64_t scale_rows = scale.shape.rank() >= 1 ? scale.dim(0) : 1;
  const int64_t scale_columns = scale.shape.rank() == 2 ? scale.dim(1) : 1;
  const auto divides = [](int64_t parts, int64_t whole) {
    return parts > 0 && parts <= whole && whole % parts == 0;
  };
  // Blocks may stick out over the last row and column: 128 by 128 is what float8 checkpoints use.
  constexpr int64_t kBlock = 128;
  const auto blocks = [](int64_t whole) { return (whole + kBlock - 1) / kBlock; };
  if (is_floating && scale.shape.rank() <= 2 && divides(scale_rows, rows) &&
      divides(scale_columns, columns)) {
    weight.rows_per_scale = rows / scale_rows;
    weight.columns_per_scale = columns / scale_columns;
  } else if (is_floating && scale.shape.rank() == 2 && scale_rows == blocks(rows) &&
             scale_columns == blocks(columns)) {
    weight.rows_per_scale = weight.columns_per_scale = kBlock;
  } else {
    fail("{}: the tensor \"{}\" {} {} does not fit a weight of {}", file.path().string(), scale_name,
         dtype_name(scale.dtype), scale.shape.str(), weight.shape.str());
  }
}

void read_zero_points(SafetensorsFile& file, const std::string& name, CompressedWeight& weight) {
  const std::string zero_name = name + "_zero_point";
  const auto found = file.entries().find(zero_name);
  if (found == file.entries().end()) return;
  const auto scales = static_cast<uint64_t>(weight.scale.elements());
  if (weight.kind != CompressedWeight::Kind::kInt8 || found->second.dtype != "I8" ||
      found->second.end - found->second.begin != scales)
    fail(
        "{}: the tensor \"{}\" makes the weight asymmetric in a way that is not supported; take a symmetric "
        "quantisation of the "
        "model",
        file.path().string(), zero_name);
  weight.zero_points = file.bytes(zero_name);
}

bool has_shape(const SafetensorsEntry& entry, std::initializer_list<int64_t> shape) {
  return std::ranges::equal(entry.shape, shape);
}

std::optional<CompressedWeight> find_packed(SafetensorsFile& file, const std::string& name,
                                            const Shape& shape) {
  const auto packed = file.entries().find(name + "_packed");
  if (packed == file.entries().end()) return std::nullopt;
  const std::string where = file.path().string();
  CompressedWeight weight{
      .kind = CompressedWeight::Kind::kPacked, .bits = 0, .shape = shape, .values = {}, .scale = {}};
  for (const int bits : {4, 8})
    if (const int64_t per_word = 32 / bits;
        has_shape(packed->second, {shape[0], (shape[1] + per_word - 1) / per_word}))
      weight.bits = bits;
  if (packed->second.dtype != "I32" || weight.bits == 0)
    fail("{}: the tensor \"{}_packed\" is no 4- or 8-bit packing of {}", where, name, shape.str());
  if (file.entries().contains(name + "_g_idx"))
    fail(
        "{}: \"{}_g_idx\" reorders the columns, which is not supported; take a model without activation "
        "ordering",
        where, name);
  weight.values = file.bytes(name + "_packed");
  if (const auto stated = file.entries().find(name + "_shape"); stated != file.entries().end()) {
    int64_t dims[2] = {};
    if (stated->second.dtype != "I64" || !has_shape(stated->second, {2}))
      fail("{}: the tensor \"{}_shape\" should be two integers", where, name);
    std::memcpy(dims, file.bytes(name + "_shape").data(), sizeof dims);
    if (dims[0] != shape[0] || dims[1] != shape[1])
      fail("{}: \"{}_shape\" says ({}, {}), but config.json makes it {}", where, name, dims[0], dims[1],
           shape.str());
  }
  return weight;
}

}  // namespace

void check_compressed_config(const nlohmann::json& block, const std::string& where) {
  const JsonFields fields(block, where);
  const std::string method = fields.string("quant_method").value_or("");
  if (method != "compressed-tensors")
    fail(
        "{}: the weights are quantised by \"{}\", which is not supported; take the original model and "
        "quantise it at load with "
        "--dtype int8 or int4, or a compressed-tensors version",
        where, quote(method));
  const std::string format = fields.string("format").value_or("");
  constexpr std::array<std::string_view, 5> kFormats = {"int-quantized", "float-quantized", "pack-quantized",
                                                        "naive-quantized", "mixed-precision"};
  if (std::ranges::find(kFormats, format) == kFormats.end())
    fail(
        "{}: the compressed-tensors format \"{}\" is not supported; int-quantized, float-quantized and "
        "pack-quantized are",
        where, quote(format));
}

std::optional<CompressedWeight> find_compressed(SafetensorsFile& file, const std::string& name,
                                                const Shape& shape) {
  if (shape.rank() != 2) return std::nullopt;
  std::optional<CompressedWeight> weight = find_packed(file, name, shape);
  if (!weight) {
    const auto found = file.entries().find(name);
    if (found == file.entries().end() || (found->second.dtype != "I8" && found->second.dtype != "F8_E4M3"))
      return std::nullopt;
    if (!has_shape(found->second, {shape[0], shape[1]}))
      fail("{}: the quantised tensor \"{}\" does not have the shape {} that config.json makes it",
           file.path().string(), name, shape.str());
    weight = CompressedWeight{
        .kind = found->second.dtype == "I8" ? CompressedWeight::Kind::kInt8 : CompressedWeight::Kind::kFloat8,
        .shape = shape,
        .values = file.bytes(name),
        .scale = {}};
  }
  read_scale(file, name, *weight);
  read_zero_points(file, name, *weight);
  return weight;
}

bool is_compressed_part(const std::string& name) {
  for (const std::string_view part : kWeightParts)
    if (name.ends_with(std::string(".weight") + std::string(part))) return true;
  for (const std::string_view part : {".weight_zero_point", ".input_scale", ".input_zero_point",
                                      ".output_scale", ".output_zero_point", ".k_scale", ".v_scale"})
    if (name.ends_with(part)) return true;
  return false;
}

void decompress(ThreadPool& pool, const CompressedWeight& weight, const Tensor& out) {
  CHECK(out.dtype == DType::kF32 && out.shape == weight.shape, "{} for {}", out.str(), weight.shape.str());
  const int64_t rows = weight.shape[0], columns = weight.shape[1];
  const int64_t scales = (columns + weight.columns_per_scale - 1) / weight.columns_per_scale;
  parallel_for(pool, rows, 16, [&](Range range) {
    for (int64_t row = range.begin; row < range.end; ++row)
      for (int64_t column = 0; column < columns; ++column) {
        const int64_t at = row / weight.rows_per_scale * scales + column / weight.columns_per_scale;
        float value = stored_value(weight, row, column);
        if (!weight.zero_points.empty())
          value -= static_cast<float>(static_cast<int8_t>(weight.zero_points[static_cast<size_t>(at)]));
        out.as<float>()[row * columns + column] = value * static_cast<float>(load_element(weight.scale, at));
      }
  });
}

Int8Form compress_int8(Arena& arena, const Tensor& matrix, int64_t group) {
  const int64_t rows = matrix.dim(0), columns = matrix.dim(1);
  CHECK(group > 0 && columns % group == 0, "groups of {} for {}", group, matrix.str());
  const Int8Form form{.values = arena.tensor(DType::kI8, {rows, columns}),
                      .scale = arena.tensor(DType::kBF16, {rows, columns / group})};
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t first = 0; first < columns; first += group) {
      const auto value = [&](int64_t i) {
        return static_cast<float>(load_element(matrix, row * columns + first + i));
      };
      float largest = 0;
      for (int64_t i = 0; i < group; ++i) largest = std::max(largest, std::fabs(value(i)));
      const BFloat16 scale(largest / 127);
      const auto step = static_cast<float>(scale);
      form.scale.as<BFloat16>()[row * (columns / group) + first / group] = scale;
      for (int64_t i = 0; i < group; ++i)
        form.values.as<int8_t>()[row * columns + first + i] =
            step > 0 ? static_cast<int8_t>(std::clamp(std::nearbyint(value(i) / step), -127.0f, 127.0f))
                     : int8_t{0};
    }
  return form;
}

nlohmann::ordered_json int8_config(int64_t group, bool has_tied_head) {
  using Json = nlohmann::ordered_json;
  const Json weights = {{"num_bits", 8},       {"type", "int"},       {"symmetric", true},
                        {"strategy", "group"}, {"group_size", group}, {"dynamic", false}};
  return {{"quant_method", "compressed-tensors"},
          {"format", "int-quantized"},
          {"quantization_status", "compressed"},
          {"config_groups",
           {{"group_0",
             {{"targets", Json::array({"Linear", "Embedding"})},
              {"weights", weights},
              {"input_activations", nullptr}}}}},
          {"ignore", has_tied_head ? Json::array({"lm_head"}) : Json::array()},
          {"kv_cache_scheme", nullptr}};
}

}  // namespace poro
