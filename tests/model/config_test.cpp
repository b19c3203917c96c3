// config.json as people write it, and as nobody should.
#include "model/config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "model/weights.h"
#include "tests/scratch_folder.h"

namespace poro {
namespace {

const nlohmann::json kLlama = {{"model_type", "llama"},  {"vocab_size", 512},
                               {"hidden_size", 64},      {"intermediate_size", 176},
                               {"num_hidden_layers", 2}, {"num_attention_heads", 4},
                               {"rms_norm_eps", 1e-5},   {"max_position_embeddings", 512}};

LlamaConfig read(const nlohmann::json& changes) {
  nlohmann::json json = kLlama;
  if (!changes.is_null()) json.update(changes);
  return LlamaConfig::from_json(json, "config.json");
}

std::string complaint(const nlohmann::json& changes) {
  try {
    read(changes);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

nlohmann::json llama3_rope(const char* type_field = "rope_type") {
  return {{type_field, "llama3"},
          {"factor", 8.0},
          {"low_freq_factor", 1.0},
          {"high_freq_factor", 4},
          {"original_max_position_embeddings", 64}};
}

TEST(Config, FillsInWhatTransformersWould) {
  const LlamaConfig config = read({});
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.num_kv_heads, 4);
  EXPECT_EQ(config.rope_theta, 10000);
  EXPECT_FALSE(config.has_tied_head);
  EXPECT_FALSE(config.bos_id);
  EXPECT_TRUE(config.eos_ids.empty());
  EXPECT_EQ(config.dtype, DType::kF32);
  EXPECT_EQ(read({{"head_dim", 32}}).head_dim, 32);
  EXPECT_EQ(read({{"head_dim", nullptr}, {"num_key_value_heads", nullptr}}).num_kv_heads, 4);
  EXPECT_EQ(read({{"max_position_embeddings", nullptr}}).max_positions, 2048);
  EXPECT_EQ(read({{"rms_norm_eps", nullptr}}).norm_eps, 1e-6);
}

TEST(Config, ReadsIdsAndTypesInEverySpelling) {
  EXPECT_EQ(read({{"eos_token_id", 7}}).eos_ids, std::vector<int32_t>{7});
  EXPECT_EQ(read({{"eos_token_id", {7, 9}}}).eos_ids, (std::vector<int32_t>{7, 9}));
  EXPECT_EQ(read({{"eos_token_id", nullptr}}).eos_ids, std::vector<int32_t>{});
  EXPECT_EQ(read({{"bos_token_id", 0}}).bos_id, 0);
  EXPECT_EQ(read({{"torch_dtype", "bfloat16"}}).dtype, DType::kBF16);
  EXPECT_EQ(read({{"dtype", "float16"}}).dtype, DType::kF16);
  EXPECT_EQ(read({{"dtype", "torch.float64"}}).dtype, DType::kF64);
}

TEST(Config, ReadsBothSpellingsOfRope) {
  for (const char* type_field : {"rope_type", "type"}) {
    const nlohmann::json rope = llama3_rope(type_field);
    nlohmann::json with_theta = rope;
    with_theta["rope_theta"] = 5e5;
    for (const nlohmann::json& spelling :
         std::vector<nlohmann::json>{{{"rope_theta", 500000}, {"rope_scaling", rope}},
                                     {{"rope_parameters", with_theta}},
                                     {{"rope_parameters", with_theta}, {"rope_scaling", nullptr}},
                                     {{"rope_scaling", with_theta}, {"rope_theta", 1}}}) {
      const LlamaConfig config = read(spelling);
      ASSERT_TRUE(config.llama3_rope) << spelling;
      EXPECT_EQ(config.rope_theta, 500000) << spelling;
      EXPECT_EQ(config.llama3_rope->original_max_positions, 64);
      EXPECT_EQ(config.llama3_rope->high_freq_factor, 4);
    }
  }
  EXPECT_EQ(read({{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 1234.5}}}}).rope_theta,
            1234.5);
  EXPECT_EQ(read({{"rope_scaling", {{"type", "linear"}, {"factor", 2.5}}}}).rope_linear_factor, 2.5);
}

TEST(Config, ComputesFrequencies) {
  const std::vector<double> plain = read({}).rope_frequencies();
  ASSERT_EQ(plain.size(), 8u);
  for (size_t i = 0; i < plain.size(); ++i)
    EXPECT_NEAR(plain[i], std::pow(10000, -static_cast<double>(i) / 8), 1e-15);
  const std::vector<double> linear =
      read({{"rope_scaling", {{"type", "linear"}, {"factor", 4}}}}).rope_frequencies();
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_DOUBLE_EQ(linear[i], plain[i] / 4);
  // By wavelength, as the method's authors state it: original context 64, so short is under 16 and long
  // over 64.
  const std::vector<double> llama3 = read({{"rope_scaling", llama3_rope()}}).rope_frequencies();
  bool is_kept = false, is_between = false, is_stretched = false;
  for (size_t i = 0; i < plain.size(); ++i) {
    const double wavelength = 2 * std::numbers::pi / plain[i];
    if (wavelength < 16) {
      is_kept = true;
      EXPECT_EQ(llama3[i], plain[i]);
    } else if (wavelength > 64) {
      is_stretched = true;
      EXPECT_DOUBLE_EQ(llama3[i], plain[i] / 8);
    } else {
      is_between = true;
      const double smooth = (64 / wavelength - 1) / (4 - 1);
      EXPECT_NEAR(llama3[i], (1 - smooth) * plain[i] / 8 + smooth * plain[i], 1e-15);
    }
  }
  EXPECT_TRUE(is_kept && is_between && is_stretched);
}

TEST(Config, RefusesWhatItCannotRun) {
  const std::pair<nlohmann::json, const char*> cases[] = {
      {{{"model_type", "mistral"}}, "\"mistral\""},
      {{{"model_type", nullptr}}, "does not say what model"},
      {{{"architectures", {"MistralForCausalLM"}}}, "LlamaForCausalLM"},
      {{{"architectures", nlohmann::json::array()}}, "LlamaForCausalLM"},
      {{{"architectures", 3}}, "LlamaForCausalLM"},
      {{{"attention_bias", true}}, "\"attention_bias\" is true"},
      {{{"mlp_bias", true}}, "\"mlp_bias\" is true"},
      {{{"mlp_bias", "no"}}, "\"mlp_bias\" should be true or false"},
      {{{"hidden_act", "gelu"}}, "\"gelu\""},
      {{{"quantization_config", {{"quant_method", "gptq"}}}}, "quantised by"},
      {{{"partial_rotary_factor", 0.5}}, "partial_rotary_factor"},
      {{{"torch_dtype", "float8_e4m3fn"}}, "float8_e4m3fn"},
      {{{"vocab_size", nullptr}}, "\"vocab_size\" is missing"},
      {{{"hidden_size", 0}}, "\"hidden_size\" is 0"},
      {{{"hidden_size", -64}}, "\"hidden_size\" is -64"},
      {{{"hidden_size", 64.0}}, "\"hidden_size\" should be a whole number"},
      {{{"hidden_size", 1e300}}, "\"hidden_size\" should be a whole number"},
      {{{"hidden_size", "64"}}, "\"hidden_size\" should be a whole number"},
      {{{"hidden_size", true}}, "\"hidden_size\" should be a whole number"},
      {{{"hidden_size", {64}}}, "\"hidden_size\" should be a whole number"},
      {{{"hidden_size", 66}}, "multiple of \"num_attention_heads\""},
      {{{"hidden_size", 18446744073709551615u}}, "\"hidden_size\" is 18446744073709551615"},
      {{{"num_hidden_layers", 10001}}, "\"num_hidden_layers\" is 10001"},
      {{{"num_key_value_heads", 3}}, "multiple of \"num_key_value_heads\""},
      {{{"num_key_value_heads", 0}}, "\"num_key_value_heads\" is 0"},
      {{{"head_dim", 15}}, "head size is 15"},
      {{{"head_dim", 16777216}}, "heads of size 16777216"},
      {{{"vocab_size", 2147483647}, {"hidden_size", 16777216}}, "parameters, which cannot be right"},
      {{{"vocab_size", 4294967296}}, "\"vocab_size\" is 4294967296"},
      {{{"rms_norm_eps", -1}}, "\"rms_norm_eps\" is -1"},
      {{{"max_position_embeddings", 1099511627776}}, "\"max_position_embeddings\""},
      {{{"rope_theta", 0}}, "\"rope_theta\" is 0"},
      {{{"rope_theta", "big"}}, "\"rope_theta\" should be a number"},
      {{{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 2}}}}, "\"yarn\""},
      {{{"rope_scaling", {{"rope_type", 3}}}}, "\"rope_type\" should be a string"},
      {{{"rope_scaling", {1}}}, "RoPE settings should be a JSON object"},
      {{{"rope_scaling", {{"rope_type", "llama3"}}}}, "\"factor\" is missing"},
      {{{"rope_scaling", {{"rope_type", "linear"}, {"factor", 0}}}}, "\"factor\" is 0"},
      {{{"eos_token_id", "</s>"}}, "\"eos_token_id\""},
      {{{"eos_token_id", {1, -2}}}, "\"eos_token_id\""},
      {{{"eos_token_id", {1, 4294967296}}}, "\"eos_token_id\""},
      {{{"bos_token_id", 4294967296}}, "\"bos_token_id\""},
  };
  for (const auto& [changes, says] : cases) {
    const std::string sentence = complaint(changes);
    EXPECT_NE(sentence.find(says), std::string::npos) << changes << "\n" << sentence;
    EXPECT_NE(sentence.find("config.json"), std::string::npos) << sentence;
  }
  nlohmann::json rope = llama3_rope();
  rope["high_freq_factor"] = 1;
  EXPECT_NE(complaint({{"rope_scaling", rope}}).find("should be larger"), std::string::npos);
}

TEST(Config, RefusesTextThatIsNoJson) {
  const ScratchFolder folder;
  EXPECT_THROW(LlamaConfig::load(folder.path()), Error);
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("{\"a\": NaN}"),
        std::string("{\"a\": 1e400}"), std::string("{\"a\xff\": 1}"), std::string(1 << 19, '['),
        std::string((1 << 20) + 1, ' ')}) {
    write_file_atomic(folder / "config.json", text);
    EXPECT_THROW(LlamaConfig::load(folder.path()), Error) << text.substr(0, 20);
  }
}

TEST(Config, WritesWhatItReads) {
  for (const char* name : {"poro2-8b", "poro2-70b", "1b", "tiny"}) {
    const LlamaConfig config = LlamaConfig::named_shape(name);
    const nlohmann::ordered_json json = config.to_json();
    const LlamaConfig again = LlamaConfig::from_json(json, name);
    EXPECT_EQ(again.to_json(), json);
    EXPECT_EQ(again.rope_frequencies(), config.rope_frequencies());
    EXPECT_EQ(again.dtype, config.dtype);
  }
  const LlamaConfig linear =
      read({{"rope_scaling", {{"type", "linear"}, {"factor", 3}}}, {"eos_token_id", 5}});
  EXPECT_EQ(LlamaConfig::from_json(linear.to_json(), "linear").rope_linear_factor, 3);
}

TEST(Config, KnowsTheSizesOfTheShapes) {
  EXPECT_EQ(LlamaConfig::named_shape("poro2-8b").num_parameters(), 8'030'261'248);
  EXPECT_EQ(LlamaConfig::named_shape("poro2-70b").num_parameters(), 70'553'706'496);
  EXPECT_EQ(LlamaConfig::named_shape("1b").num_parameters(), 1'235'814'400);
  EXPECT_THROW(LlamaConfig::named_shape("2b"), Error);
  EXPECT_EQ(LlamaConfig::named_shape("poro2-70b:40").num_layers, 40);
  for (const char* name : {"poro2-70b:81", "poro2-70b:0", "poro2-70b:", "poro2-70b:4x", "2b:1"})
    EXPECT_THROW(LlamaConfig::named_shape(name), Error);
}

TEST(Config, ListsTheWeightsInTheOrderOfTheModel) {
  LlamaConfig config = read({{"num_key_value_heads", 2}, {"head_dim", 8}, {"num_hidden_layers", 1}});
  std::string names;
  for (const WeightSpec& weight : weight_table(config))
    names += weight.name + " " + weight.shape.str() + (weight.has_decay ? "\n" : " no decay\n");
  EXPECT_EQ(names,
            "model.embed_tokens.weight (512, 64)\n"
            "model.layers.0.input_layernorm.weight (64) no decay\n"
            "model.layers.0.self_attn.q_proj.weight (32, 64)\n"
            "model.layers.0.self_attn.k_proj.weight (16, 64)\n"
            "model.layers.0.self_attn.v_proj.weight (16, 64)\n"
            "model.layers.0.self_attn.o_proj.weight (64, 32)\n"
            "model.layers.0.post_attention_layernorm.weight (64) no decay\n"
            "model.layers.0.mlp.gate_proj.weight (176, 64)\n"
            "model.layers.0.mlp.up_proj.weight (176, 64)\n"
            "model.layers.0.mlp.down_proj.weight (64, 176)\n"
            "model.norm.weight (64) no decay\n"
            "lm_head.weight (512, 64)\n");
  config.has_tied_head = true;
  EXPECT_EQ(weight_table(config).size(), 11u);
}

TEST(GenerationConfig, ReadsDefaultsAndRefusesNonsense) {
  const ScratchFolder folder;
  EXPECT_FALSE(GenerationConfig::load(folder.path()).temperature);
  write_file_atomic(
      folder / "generation_config.json",
      R"({"do_sample": true, "temperature": 0.6, "top_p": 0.9, "top_k": null, "eos_token_id": [5, 6], "_from_model_config": true})");
  const GenerationConfig config = GenerationConfig::load(folder.path());
  EXPECT_EQ(config.do_sample, true);
  EXPECT_EQ(config.temperature, 0.6);
  EXPECT_EQ(config.top_p, 0.9);
  EXPECT_FALSE(config.top_k);
  EXPECT_EQ(config.eos_ids, (std::vector<int32_t>{5, 6}));
  for (const char* text :
       {"", "[]", R"({"temperature": -1})", R"({"temperature": "hot"})", R"({"top_p": 1.5})",
        R"({"top_k": -1})", R"({"top_k": 1.5})", R"({"do_sample": 1})", R"({"repetition_penalty": 0})",
        R"({"eos_token_id": [[1]]})"}) {
    write_file_atomic(folder / "generation_config.json", text);
    EXPECT_THROW(GenerationConfig::load(folder.path()), Error) << text;
  }
}

}  // namespace
}  // namespace poro
