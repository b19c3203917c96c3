// The compressed-tensors layout: what is written reads back, other writers' forms read as they are meant, and
// what does not fit together is refused with a sentence.
#include "model/compressed_tensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "model/checkpoint.h"
#include "tests/scratch_folder.h"

namespace poro {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kMatrix = "model.layers.0.self_attn.q_proj.weight";

// A file of the safetensors format with tensors of any type, straight from bytes.
struct RawTensor {
  std::string name, dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

void write_raw(const fs::path& path, const std::vector<RawTensor>& tensors) {
  Json header = Json::object();
  std::string data;
  for (const RawTensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {data.size(), data.size() + tensor.bytes.size()}}};
    data += tensor.bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const auto length = static_cast<uint64_t>(text.size());
  write_file_atomic(path, std::string(reinterpret_cast<const char*>(&length), 8) + text + data);
}

class CompressedTensors : public testing::Test {
 protected:
  std::vector<float> read(const std::vector<RawTensor>& tensors, const Shape& shape) {
    write_raw(folder_ / "w.safetensors", tensors);
    SafetensorsFile file(folder_ / "w.safetensors");
    const auto weight = find_compressed(file, kMatrix, shape);
    if (!weight) fail("the matrix is not compressed");
    Arena arena("test");
    const Tensor out = arena.tensor(DType::kF32, shape);
    ThreadPool pool(2);
    decompress(pool, *weight, out);
    return {out.as<float>(), out.as<float>() + out.elements()};
  }
  std::string complaint(const std::vector<RawTensor>& tensors, const Shape& shape) {
    try {
      read(tensors, shape);
    } catch (const Error& error) {
      return error.what();
    }
    return "no complaint";
  }

  const std::string name_ = kMatrix;
  ScratchFolder folder_;
};

TEST_F(CompressedTensors, ReadsInt8WithEveryStrategy) {
  const RawTensor values{name_, "I8", {2, 4}, bytes_of<int8_t>({1, -2, 3, -127, 100, 0, -5, 127})};
  const auto scaled = [&](std::vector<int64_t> shape, std::vector<float> scales) {
    return read({values, {name_ + "_scale", "F32", std::move(shape), bytes_of(scales)}}, {2, 4});
  };
  EXPECT_EQ(scaled({1}, {0.5f}), (std::vector<float>{0.5, -1, 1.5, -63.5, 50, 0, -2.5, 63.5}));
  EXPECT_EQ(scaled({}, {0.5f}), (std::vector<float>{0.5, -1, 1.5, -63.5, 50, 0, -2.5, 63.5}));
  EXPECT_EQ(scaled({2, 1}, {1, 2}), (std::vector<float>{1, -2, 3, -127, 200, 0, -10, 254}));
  EXPECT_EQ(scaled({2, 2}, {1, 2, 3, 4}), (std::vector<float>{1, -2, 6, -254, 300, 0, -20, 508}));
  EXPECT_EQ(read({values,
                  {name_ + "_scale", "F32", {2, 1}, bytes_of<float>({1, 2})},
                  {name_ + "_zero_point", "I8", {2, 1}, bytes_of<int8_t>({1, -1})}},
                 {2, 4}),
            (std::vector<float>{0, -3, 2, -128, 202, 2, -8, 256}));
}

TEST_F(CompressedTensors, ReadsFloat8) {
  // 1, -1.75, 448 (the largest), the smallest subnormal, zero, NaN.
  const RawTensor values{name_, "F8_E4M3", {1, 6}, std::string("\x38\xbe\x7e\x01\x00\x7f", 6)};
  const std::vector<float> read_back =
      read({values, {name_ + "_scale", "BF16", {1, 1}, bytes_of<BFloat16>({BFloat16(2.0f)})}}, {1, 6});
  EXPECT_EQ(std::vector<float>(read_back.begin(), read_back.begin() + 5),
            (std::vector<float>{2, -3.5, 896, std::ldexp(1.0f, -8), 0}));
  EXPECT_TRUE(std::isnan(read_back[5]));
}

TEST_F(CompressedTensors, ReadsPackedIntegersLowBitsFirst) {
  // Levels -8..-1 and 0..7, each plus 8.
  const RawTensor four{name_ + "_packed", "I32", {2, 1}, bytes_of<uint32_t>({0x76543210u, 0xFEDCBA98u})};
  EXPECT_EQ(read({four,
                  {name_ + "_scale", "F32", {2, 1}, bytes_of<float>({1, 10})},
                  {name_ + "_shape", "I64", {2}, bytes_of<int64_t>({2, 8})}},
                 {2, 8}),
            (std::vector<float>{-8, -7, -6, -5, -4, -3, -2, -1, 0, 10, 20, 30, 40, 50, 60, 70}));
  const RawTensor eight{name_ + "_packed", "I32", {1, 2}, bytes_of<uint32_t>({0xFF817F80u, 0x00000000u})};
  EXPECT_EQ(read({eight, {name_ + "_scale", "F32", {1, 1}, bytes_of<float>({1})}}, {1, 5}),
            (std::vector<float>{0, -1, 1, 127, -128}));
}

TEST_F(CompressedTensors, RefusesWhatDoesNotFit) {
  const RawTensor values{name_, "I8", {2, 4}, std::string(8, '\1')};
  const RawTensor scale{name_ + "_scale", "F32", {2, 1}, bytes_of<float>({1, 1})};
  const RawTensor packed{name_ + "_packed", "I32", {2, 1}, std::string(8, '\1')};
  const std::vector<std::pair<std::vector<RawTensor>, std::string>> cases = {
      {{values}, "is missing"},
      {{values, {name_ + "_scale", "F32", {3, 1}, std::string(12, '\0')}}, "does not fit"},
      {{values, {name_ + "_scale", "F32", {2, 3}, std::string(24, '\0')}}, "does not fit"},
      {{values, {name_ + "_scale", "I32", {2, 1}, std::string(8, '\0')}}, "does not fit"},
      {{{name_, "I8", {4, 2}, std::string(8, '\1')}, scale}, "does not have the shape"},
      {{values, scale, {name_ + "_zero_point", "I8", {1, 1}, "\1"}}, "asymmetric"},
      {{values, scale, {name_ + "_zero_point", "I32", {2, 1}, std::string(8, '\0')}}, "asymmetric"},
      {{{name_ + "_packed", "I32", {2, 3}, std::string(24, '\1')}, scale}, "no 4- or 8-bit packing"},
      {{{name_ + "_packed", "U8", {2, 1}, std::string(2, '\1')}, scale}, "no 4- or 8-bit packing"},
      {{packed, scale, {name_ + "_shape", "I64", {2}, bytes_of<int64_t>({4, 2})}}, "says (4, 2)"},
      {{packed, scale, {name_ + "_shape", "I32", {2}, bytes_of<int32_t>({2, 4})}}, "two integers"},
      {{packed, scale, {name_ + "_g_idx", "I32", {4}, std::string(16, '\0')}}, "reorders"},
  };
  for (const auto& [tensors, expected] : cases)
    EXPECT_NE(complaint(tensors, {2, 4}).find(expected), std::string::npos)
        << complaint(tensors, {2, 4}) << " / " << expected;
}

TEST_F(CompressedTensors, ChecksTheConfig) {
  const auto said = [](const Json& block) -> std::string {
    try {
      check_compressed_config(block, "config.json");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(said(int8_config(128, true)), "");
  EXPECT_EQ(said({{"quant_method", "compressed-tensors"}, {"format", "float-quantized"}}), "");
  EXPECT_NE(said({{"quant_method", "gptq"}}).find("quantised by \"gptq\""), std::string::npos);
  EXPECT_NE(said({{"quant_method", "compressed-tensors"}, {"format", "marlin-24"}}).find("marlin-24"),
            std::string::npos);
  EXPECT_NE(said(7), "");
}

// A whole model: what is written as int8 opens, and gives the values that its levels and scales mean.
TEST_F(CompressedTensors, AModelReadsBack) {
  LlamaConfig config = LlamaConfig::named_shape("tiny");
  config.vocab_size = 64;
  config.hidden_size = 128;
  config.intermediate_size = 256;
  config.num_heads = 2;
  config.num_kv_heads = 1;
  config.head_dim = 64;
  Arena arena("test");
  std::vector<NamedTensor> tensors;
  std::map<std::string, Int8Form> forms;
  uint32_t seed = 1;
  for (const WeightSpec& weight : weight_table(config)) {
    const Tensor plain = arena.tensor(DType::kBF16, weight.shape);
    for (int64_t i = 0; i < plain.elements(); ++i)
      store_element(
          plain, i,
          static_cast<double>(static_cast<int32_t>(seed = seed * 1664525u + 1013904223u)) * 0x1p-34);
    if (weight.shape.rank() != 2) {
      tensors.push_back({weight.name, plain});
      continue;
    }
    const Int8Form form = forms[weight.name] = compress_int8(arena, plain, 128);
    for (int64_t i = 0; i < plain.elements();
         ++i) {  // Half a step of the scale, and what rounding the scale adds.
      const double step = load_element(form.scale, i / 128);
      EXPECT_NEAR(form.values.as<int8_t>()[i] * step, load_element(plain, i), step * 1.01) << weight.name;
    }
    tensors.push_back({weight.name, form.values});
    tensors.push_back({weight.name + "_scale", form.scale});
  }
  Json json = config.to_json();
  json["quantization_config"] = int8_config(128, config.has_tied_head);
  save_tensors(folder_ / "model", json.dump(), tensors);

  const Checkpoint checkpoint = Checkpoint::open(folder_ / "model");
  EXPECT_TRUE(checkpoint.is_compressed());
  for (const auto& [name, form] : forms) {
    const Tensor tensor = checkpoint.tensor(name);
    ASSERT_EQ(tensor.dtype, DType::kF32);
    for (int64_t i = 0; i < tensor.elements(); ++i)
      ASSERT_EQ(load_element(tensor, i), form.values.as<int8_t>()[i] * load_element(form.scale, i / 128))
          << name;
    checkpoint.release(tensor);
    EXPECT_EQ(load_element(checkpoint.tensor(name), 0),
              form.values.as<int8_t>()[0] * load_element(form.scale, 0));
  }
}

}  // namespace
}  // namespace poro
