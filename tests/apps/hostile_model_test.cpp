// Model folders that lie, as a user would start them: whatever is wrong with a file, `poro generate` ends
// with one sentence on stderr that names it, nothing on stdout, and exit code 2.
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "tests/apps/run_poro.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

class HostileModel : public ::testing::Test {
 protected:
  std::filesystem::path path(const std::string& file) const {
    return std::filesystem::path(model_.path()) / file;
  }
  void expect_refused(const std::string& what, const std::string& named) const {
    const PoroOutcome outcome =
        ask_poro({"generate", "--model", model_.path(), "--prompt", "a", "--max-new-tokens", "2"}, "");
    EXPECT_EQ(outcome.exit_code, 2) << what << ": " << outcome.err;
    EXPECT_EQ(outcome.out, "") << what;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << what << ": " << outcome.err;
    EXPECT_TRUE(outcome.err.starts_with("poro: ")) << what << ": " << outcome.err;
    EXPECT_NE(outcome.err.find(named), std::string::npos) << what << ": " << outcome.err;
    EXPECT_LT(outcome.err.size(), 1000u) << what;
  }

  TinyChatModel model_;
};

// A safetensors file of this header, with its length before it, and the bytes behind it.
std::string safetensors(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + data;
}

TEST_F(HostileModel, WithWeightsThatLie) {
  const std::string whole = read_file(path("model.safetensors"));
  uint64_t length = 0;
  std::memcpy(&length, whole.data(), 8);
  const Json header = Json::parse(whole.substr(8, length));
  const std::string data = whole.substr(8 + length);
  const std::string name = "model.norm.weight";
  const auto with = [&](const char* key, const Json& value) {
    Json changed = header;
    changed[name][key] = value;
    return safetensors(changed.dump(), data);
  };
  const auto without_first = [&] {
    Json changed = header;
    changed.erase(name);
    return safetensors(changed.dump(), data);
  };
  const auto of_length = [&](uint64_t claimed) {
    std::string file = whole;
    std::memcpy(file.data(), &claimed, 8);
    return file;
  };
  const std::pair<const char*, std::string> files[] = {
      {"empty", ""},
      {"four bytes", whole.substr(0, 4)},
      {"a header cut", whole.substr(0, 100)},
      {"data cut", whole.substr(0, whole.size() / 2)},
      {"a header of 2^63 bytes", of_length(uint64_t{1} << 63)},
      {"a header of 2^64 - 1 bytes", of_length(UINT64_MAX)},
      {"a header longer than the file", of_length(whole.size())},
      {"negative offsets", with("data_offsets", {-8, 0})},
      {"offsets in reverse", with("data_offsets", {128, 0})},
      {"offsets beyond the file", with("data_offsets", {0, uint64_t{1} << 62})},
      {"ranges that overlap",
       with("data_offsets", header.at("model.layers.0.input_layernorm.weight").at("data_offsets"))},
      {"offsets that are words", with("data_offsets", "0-8")},
      {"a negative dimension", with("shape", {-1, -64})},
      {"a shape that overflows", with("shape", {uint64_t{1} << 40, uint64_t{1} << 40})},
      {"another shape", with("shape", {1, header[name]["shape"][0]})},
      {"an unknown type", with("dtype", "F13")},
      {"a missing tensor", without_first()},
      {"no JSON", safetensors("{\"model", data)},
      {"an array", safetensors("[1, 2]", data)},
      {"deep nesting", safetensors(std::string(100000, '['), data)},
      {"a name twice", safetensors("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                                   "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
                                   "12345678")},
  };
  for (const auto& [what, bytes] : files) {
    write_file_atomic(path("model.safetensors"), bytes);
    expect_refused(what, "safetensors");
  }
  std::filesystem::remove(path("model.safetensors"));
  expect_refused("no weights", model_.path());
  model_.write("model.safetensors.index.json", {{"weight_map", {{name, "../../../etc/passwd"}}}});
  expect_refused("a shard elsewhere", "passwd");
}

TEST_F(HostileModel, WithAConfigOfAbsurdNumbers) {
  const Json config = Json::parse(read_file(path("config.json")));
  const std::pair<const char*, Json> values[] = {
      {"hidden_size", 0},
      {"hidden_size", -64},
      {"hidden_size", 1e18},
      {"hidden_size", "64"},
      {"hidden_size", 63},
      {"num_hidden_layers", int64_t{1} << 40},
      {"num_hidden_layers", -1},
      {"num_attention_heads", 0},
      {"num_attention_heads", 7},
      {"num_key_value_heads", 3},
      {"head_dim", int64_t{1} << 40},
      {"vocab_size", 0},
      {"vocab_size", 9223372036854775807},
      {"max_position_embeddings", 0},
      {"rms_norm_eps", -1},
      {"rms_norm_eps", Json::array()},
      {"rope_theta", -1},
      {"rope_theta", "big"},
      {"intermediate_size", nullptr},
      {"eos_token_id", "end"},
      {"model_type", "bert"},
      {"hidden_act", "relu"},
  };
  for (const auto& [key, value] : values) {
    Json changed = config;
    changed[key] = value;
    model_.write("config.json", changed);
    expect_refused(std::string(key) + " = " + value.dump(), "config.json");
  }
  for (const std::string text : {"", "[]", "{", "null", "{\"hidden_size\": NaN}"}) {
    write_file_atomic(path("config.json"), text);
    expect_refused("config.json = " + text, "config.json");
  }
  write_file_atomic(path("config.json"), std::string(200000, '['));
  expect_refused("a deep config.json", "config.json");
  std::filesystem::remove(path("config.json"));
  expect_refused("no config.json", "config.json");
}

TEST_F(HostileModel, WithATokenizerThatLacksParts) {
  const Json whole = Json::parse(read_file(path("tokenizer.json")));
  const auto with = [&](const char* pointer, const Json& value) {
    Json changed = whole;
    changed[Json::json_pointer(pointer)] = value;
    return changed;
  };
  const std::pair<const char*, Json> files[] = {
      {"a merge of one part", with("/model/merges", {"ab"})},
      {"a merge of three parts", with("/model/merges", {"a b c"})},
      {"a merge of numbers", with("/model/merges", {{1, 2}})},
      {"a merge of unknown parts", with("/model/merges", {"xx yy"})},
      {"a merge whose result is unknown", with("/model/merges", {"x y"})},
      {"no vocabulary", with("/model/vocab", nullptr)},
      {"a negative id", with("/model/vocab/a", -1)},
      {"a huge id", with("/model/vocab/a", uint64_t{1} << 40)},
      {"an id twice", with("/model/vocab/a", 98)},
      {"another model", with("/model/type", "Unigram")},
      {"another pre-tokenizer", with("/pre_tokenizer/type", "Magic")},
      {"a pattern that is none",
       with("/pre_tokenizer", {{"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}})},
      {"an added token of no text", with("/added_tokens/0/content", 5)},
      {"added tokens that are no list", with("/added_tokens", "none")},
      {"an array", Json::array()},
  };
  for (const auto& [what, json] : files) {
    model_.write("tokenizer.json", json);
    expect_refused(what, "tokenizer.json");
  }
  for (const std::string& text : {std::string(), std::string("{"), std::string(100000, '[')}) {
    write_file_atomic(path("tokenizer.json"), text);
    expect_refused("tokenizer.json = " + text.substr(0, 10), "tokenizer.json");
  }
}

TEST_F(HostileModel, WithATemplateWithoutEnd) {
  for (const char* source : {
           "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
           "{{ 'a' * 10 ** 12 }}",
           "{% for x in range(99999) %}{% for y in range(99999) %}{% endfor %}{% endfor %}",
           "{% set ns = namespace(a=[1]) %}{% for x in range(99) %}{% set ns.a = ns.a + ns.a %}{% endfor "
           "%}{{ ns.a }}",
           "{{ 9 ** 9 ** 9 }}",
           "{% for m in messages recursive %}{{ loop(messages) }}{% endfor %}",
           "{{ messages[",
           "{% if %}",
           "{{ raise_exception('never') }}",
           "{{ ''.__class__.__mro__ }}",
           "{% include 'other' %}",
       }) {
    write_file_atomic(path("chat_template.jinja"), source);
    const PoroOutcome outcome = ask_poro({"generate", "--model", model_.path(), "--jsonl"},
                                         "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n");
    const bool is_refused = outcome.exit_code == 2 && outcome.err.starts_with("poro: ") &&
                            std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1;
    EXPECT_TRUE(is_refused) << source << ": " << outcome.exit_code << " " << outcome.out << outcome.err;
  }
}

TEST_F(HostileModel, WithAGenerationConfigThatIsNone) {
  for (const std::string text : {"", "[]", "{", "{\"eos_token_id\": \"x\"}", "{\"eos_token_id\": [1, -5]}",
                                 "{\"do_sample\": true, \"top_p\": 7}", "{\"max_new_tokens\": -3}"}) {
    write_file_atomic(path("generation_config.json"), text);
    expect_refused("generation_config.json = " + text, "");
  }
}

}  // namespace
}  // namespace poro
