// Headers that lie, each ending in a sentence that names the file and the tensor; files written and read
// back.
#include "model/safetensors.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>

#include "base/error.h"
#include "model/weights.h"
#include "tests/scratch_folder.h"

namespace poro {
namespace {

// A file: the header's length (its true one unless told), the header, and zeros for data.
std::string file_of(const std::string& header, size_t data_bytes, std::optional<uint64_t> length = {}) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length.value_or(header.size()) >> (8 * i));
  return bytes + header + std::string(data_bytes, '\0');
}

std::map<std::string, SafetensorsEntry> parse(const std::string& bytes,
                                              std::map<std::string, std::string>* metadata = nullptr) {
  return parse_safetensors_header(std::as_bytes(std::span(bytes)), "x.safetensors", metadata);
}

std::string complaint(const std::string& bytes) {
  try {
    parse(bytes);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

struct HostileHeader {
  const char* header;
  size_t data_bytes;
  const char* says;  // A part of the sentence; the name of the tensor, where there is one, is in it.
};

const HostileHeader kHostileHeaders[] = {
    {"", 0, "should begin with"},
    {"null", 0, "should begin with"},
    {" {}", 0, "should begin with"},
    {"[1]", 0, "should begin with"},
    {"{", 0, "not valid JSON"},
    {"{}}", 0, "not valid JSON"},
    {"{\"a\xff\": 1}", 0, "not valid JSON"},
    {"{\"a\\ud800\": 1}", 0, "not valid JSON"},
    {R"({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},})", 4, "not valid JSON"},
    {R"({"w": 7})", 0, "\"w\" has a number"},
    {R"({"w": null})", 0, "\"w\" has null"},
    {R"({"w": []})", 0, "\"w\" has a list"},
    {R"({"w": "x"})", 0, "\"w\" has a string"},
    {R"({"w": {}})", 0, "\"w\" lacks"},
    {R"({"w": {"dtype": "F32", "shape": [1]}})", 4, "\"w\" lacks"},
    {R"({"w": {"dtype": "F32", "data_offsets": [0, 4]}})", 4, "\"w\" lacks"},
    {R"({"w": {"shape": [1], "data_offsets": [0, 4]}})", 4, "\"w\" lacks"},
    {R"({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0]}})", 4, "\"w\" lacks"},
    {R"({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 4]}})", 4, "\"w\" has a number"},
    {R"({"w": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}})", 4, "\"w\" has -4"},
    {R"({"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}})", 4, "\"w\" has -1"},
    {R"({"w": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}})", 4, "\"w\" has 1.0"},
    {R"({"w": {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 4]}})", 4, "\"w\" has a string"},
    {R"({"w": {"dtype": "F32", "shape": [[1]], "data_offsets": [0, 4]}})", 4, "\"w\" has a list"},
    {R"({"w": {"dtype": "F32", "shape": {}, "data_offsets": [0, 4]}})", 4, "\"w\" has an object"},
    {R"({"w": {"dtype": 1, "shape": [1], "data_offsets": [0, 4]}})", 4, "\"w\" has a number"},
    {R"({"w": {"dtype": "F32", "shape": [99999999999999999999], "data_offsets": [0, 4]}})", 4,
     "\"w\" has 9999"},
    {R"({"w": {"dtype": "F32", "shape": [18446744073709551615], "data_offsets": [0, 4]}})", 4,
     "\"w\" has an impossible"},
    {R"({"w": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}})", 0,
     "\"w\" overflows"},
    {R"({"w": {"dtype": "F32", "shape": [4611686018427387904], "data_offsets": [0, 0]}})", 0,
     "\"w\" overflows"},
    {R"({"w": {"dtype": "F31", "shape": [1], "data_offsets": [0, 4]}})", 4,
     "\"w\" has the unknown dtype \"F31\""},
    {R"({"w": {"dtype": "F4", "shape": [3], "data_offsets": [0, 2]}})", 2, "\"w\" does not fill whole bytes"},
    {R"({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}})", 4,
     "\"w\" takes 8 bytes by its shape, but its range has 4"},
    {R"({"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}})", 4,
     "\"w\" ends (byte 0) before it begins"},
    {R"({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})", 4,
     "\"w\" reaches to byte 8 of the data, but only 4"},
    {R"({"w": {"dtype": "F32", "shape": [1], "data_offsets": [9223372036854775807, 9223372036854775811]}})",
     4, "\"w\" reaches to byte 9223372036854775811"},
    {R"({"w": {"dtype": "F32", "shape": [1], "data_offsets": [18446744073709551612, 0]}})", 4, "\"w\" ends"},
    {R"({"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})", 8,
     "4 bytes before the tensor \"w\""},
    {R"({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", 5, "1 bytes after the last tensor"},
    {R"({"v": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})",
     8, "\"w\" overlaps"},
    {R"({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})",
     8, "\"w\" appears twice"},
    {R"({"w": {"dtype": "F32", "dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", 4,
     "\"w\" has \"dtype\" twice"},
    {R"({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "more": 1}})", 4,
     "\"w\" has an unknown field \"more\""},
    {R"({"__metadata__": {"a": 1}})", 0, "\"__metadata__\" has a number"},
    {R"({"__metadata__": {"a": {}}})", 0, "\"__metadata__\" has an object"},
    {R"({"__metadata__": "pt"})", 0, "\"__metadata__\" has a string"},
    {R"({"__metadata__": {"a": "1", "a": "2"}})", 0, "has \"a\" twice"},
};

TEST(Safetensors, NamesWhatIsWrongWithAHeader) {
  for (const HostileHeader& hostile : kHostileHeaders) {
    const std::string sentence = complaint(file_of(hostile.header, hostile.data_bytes));
    EXPECT_NE(sentence.find(hostile.says), std::string::npos) << hostile.header << "\n" << sentence;
    EXPECT_NE(sentence.find("x.safetensors"), std::string::npos) << sentence;
    EXPECT_EQ(sentence.find('\n'), std::string::npos) << sentence;
  }
}

TEST(Safetensors, RefusesLengthsThatLie) {
  EXPECT_NE(complaint(""), "");
  EXPECT_NE(complaint("1234567"), "");
  for (const uint64_t length : {uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 7, uint64_t{100'000'001},
                                uint64_t{3}, uint64_t{1} << 32})
    EXPECT_NE(complaint(file_of("{}", 0, length)).find("claims a header of " + std::to_string(length)),
              std::string::npos)
        << length;
  EXPECT_NE(complaint(file_of("{}", 0, 1)).find("not valid JSON"), std::string::npos);
  EXPECT_NE(complaint(file_of("{}", 0, 0)).find("should begin with"), std::string::npos);
}

TEST(Safetensors, RefusesTowersOfBrackets) {
  const std::string deep(1'000'000, '[');
  EXPECT_NE(complaint(file_of("{\"w\":" + deep, 0)), "");
  EXPECT_NE(complaint(file_of("{\"w\":{\"shape\":" + deep, 0)), "");
  std::string objects = "{";
  for (int i = 0; i < 100'000; ++i) objects += "\"w\":{";
  EXPECT_NE(complaint(file_of(objects, 0)), "");
  std::string dims = R"({"w": {"dtype": "U8", "data_offsets": [0, 1], "shape": [1)";
  for (int i = 0; i < 10'000; ++i) dims += ",1";
  EXPECT_NE(complaint(file_of(dims + "]}}", 1)), "");
}

TEST(Safetensors, ReadsWhatTheFormatAllows) {
  EXPECT_EQ(parse(file_of("{}", 0)).size(), 0u);
  std::map<std::string, std::string> metadata;
  const auto entries = parse(file_of(R"({"__metadata__": {"format": "pt"},
    "b": {"shape": [], "data_offsets": [8, 12], "dtype": "F32"},
    "empty": {"dtype": "F8_E4M3", "shape": [0, 9223372036854775807], "data_offsets": [8, 8]},
    "a": {"dtype": "I64", "shape": [1, 1], "data_offsets": [0, 8]}, "four": {"dtype":"F4","shape":[2],"data_offsets":[12,13]} }   )",
                                     13),
                             &metadata);
  EXPECT_EQ(metadata.at("format"), "pt");
  EXPECT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries.at("b").end - entries.at("b").begin, 4u);
  EXPECT_EQ(entries.at("a").dtype, "I64");
  EXPECT_EQ(entries.at("empty").shape, (std::vector<int64_t>{0, INT64_MAX}));
}

TEST(Safetensors, GivesOnlyTensorsOfTypesWeHave) {
  const ScratchFolder folder;
  const std::string header = R"({"f8": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]},
    "five": {"dtype": "I8", "shape": [1,1,1,1,1], "data_offsets": [1, 2]}, "i": {"dtype": "I8", "shape": [1], "data_offsets": [2, 3]}})";
  write_file_atomic(folder / "x", file_of(header, 3));
  SafetensorsFile file(folder / "x");
  const auto says = [&](const char* name) -> std::string {
    try {
      return file.tensor(name).str();
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_NE(says("f8").find("\"f8\" is stored as F8_E4M3"), std::string::npos);
  EXPECT_NE(says("five").find("\"five\" has 5 dimensions"), std::string::npos);
  EXPECT_NE(says("gone").find("no tensor \"gone\""), std::string::npos);
  EXPECT_EQ(says("i"), "int8(1)");
}

TEST(Safetensors, CopiesTensorsAtOddAddresses) {
  const ScratchFolder folder;
  std::string bytes = file_of(R"({"a": {"dtype": "I8", "shape": [1], "data_offsets": [0, 1]},
    "b": {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]}, "c": {"dtype": "F64", "shape": [1], "data_offsets": [9, 17]}})",
                              17);
  const float b[] = {1.5f, -2.0f};
  const double c = 3.25;
  std::memcpy(bytes.data() + bytes.size() - 16, b, 8);
  std::memcpy(bytes.data() + bytes.size() - 8, &c, 8);
  write_file_atomic(folder / "x", bytes);
  SafetensorsFile file(folder / "x");
  EXPECT_EQ(file.tensor("b").as<float>()[1], -2.0f);
  EXPECT_EQ(file.tensor("c").as<double>()[0], 3.25);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.tensor("b").data) % 4, 0u);
}

TEST(Safetensors, WritesEveryTypeAlignedAndReadsItBack) {
  const ScratchFolder folder;
  int8_t bytes[] = {1, -2, 3};
  BFloat16 halves[] = {BFloat16(1.5f), BFloat16(2.0f), BFloat16(-0.25f)};
  double doubles[] = {0.1};
  const auto view = [](auto& array, Shape shape) {
    return Tensor{.data = reinterpret_cast<std::byte*>(array),
                  .dtype = DTypeOf<std::remove_cvref_t<decltype(array[0])>>::value,
                  .shape = shape};
  };
  const std::vector<NamedTensor> tensors = {
      {"bytes", view(bytes, {3})}, {"halves", view(halves, {1, 3})}, {"d\"ä", view(doubles, {})}};
  write_safetensors(folder / "x", tensors, {{"format", "pt"}, {"note", "ä"}});
  SafetensorsFile file(folder / "x");
  EXPECT_EQ(file.entries().size(), 3u);
  for (const auto& [name, tensor] : tensors) {
    EXPECT_EQ(file.tensor(name).str(), tensor.str());
    EXPECT_EQ(std::memcmp(file.tensor(name).data, tensor.data, tensor.bytes()), 0);
    EXPECT_EQ(file.entries().at(name).begin % (static_cast<size_t>(dtype_bits(tensor.dtype)) / 8), 0u);
  }
}

TEST(Safetensors, ReadsTheHeaderOfA70BModelInMilliseconds) {
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}";
  uint64_t offset = 0;
  for (const WeightSpec& weight : weight_table(LlamaConfig::named_shape("poro2-70b"))) {
    header += fmt::format(R"(,"{}":{{"dtype":"BF16","shape":[{}],"data_offsets":[{},{}]}})", weight.name, 1,
                          offset, offset + 2);
    offset += 2;
  }
  const std::string bytes = file_of(header + "}", offset);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(parse(bytes).size(), 723u);
  // Two milliseconds in a release build; the bound leaves room for sanitizers on a busy machine.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(500));
}

}  // namespace
}  // namespace poro
