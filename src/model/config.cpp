#include "model/config.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "model/compressed_tensors.h"
#include "model/weights.h"

namespace poro {
namespace {

constexpr uint64_t kMaxFileBytes = 1 << 20;
// Far above every model there is, and low enough that no product of two of them leaves 64 bits.
constexpr int64_t kMaxWidth = 1 << 24;
constexpr int64_t kMaxLayers = 10'000;
constexpr int64_t kMaxIds = std::numeric_limits<int32_t>::max();
constexpr double kMaxParameters = 1e15;
constexpr double kMaxFactor = 1e9;

DType parse_dtype(const std::string& name, const std::string& where) {
  const std::string bare = name.starts_with("torch.") ? name.substr(6) : name;
  if (bare == "bfloat16") return DType::kBF16;
  if (bare == "float16" || bare == "half") return DType::kF16;
  if (bare == "float32" || bare == "float" || bare == "auto") return DType::kF32;
  if (bare == "float64" || bare == "double") return DType::kF64;
  fail("{}: the dtype \"{}\" is not supported; use bfloat16, float16, float32 or float64", where,
       quote(name));
}

const char* torch_name(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return "float64";
    case DType::kF16:
      return "float16";
    case DType::kBF16:
      return "bfloat16";
    default:
      return "float32";
  }
}

// One id, a list of ids, or nothing.
std::vector<int32_t> read_ids(const JsonFields& fields, const char* name) {
  const nlohmann::json* value = fields.find(name);
  if (value == nullptr) return {};
  const nlohmann::json list = value->is_array() ? *value : nlohmann::json::array({*value});
  std::vector<int32_t> ids;
  for (const nlohmann::json& id : list) {
    if (!id.is_number_integer() || id > kMaxIds || id < 0)
      fail("{}: \"{}\" should be a token id or a list of them", fields.where(), name);
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

void refuse_other_architectures(const JsonFields& fields) {
  const std::string& where = fields.where();
  const std::optional<std::string> type = fields.string("model_type");
  if (type && *type != "llama")
    fail("{}: the model_type \"{}\" is not supported; only \"llama\" models can be run", where, quote(*type));
  const nlohmann::json* architectures = fields.find("architectures");
  if (architectures != nullptr) {
    const bool is_one_name =
        architectures->is_array() && architectures->size() == 1 && (*architectures)[0].is_string();
    if (!is_one_name || (*architectures)[0] != "LlamaForCausalLM")
      fail("{}: \"architectures\" should be [\"LlamaForCausalLM\"]; other models cannot be run", where);
  }
  if (!type && architectures == nullptr)
    fail("{} does not say what model this is: \"model_type\" should be \"llama\"", where);
  for (const char* bias : {"attention_bias", "mlp_bias"})
    if (fields.boolean(bias).value_or(false))
      fail("{}: \"{}\" is true, but models with biases are not supported", where, bias);
  const std::string activation = fields.string("hidden_act").value_or("silu");
  if (activation != "silu")
    fail("{}: the hidden_act \"{}\" is not supported; Llama models use \"silu\"", where, quote(activation));
  if (const auto* quantisation = fields.find("quantization_config"))
    check_compressed_config(*quantisation, where);
  if (fields.number("partial_rotary_factor", {0, 1}).value_or(1) != 1)
    fail("{}: \"partial_rotary_factor\" other than 1 is not supported", where);
}

// Both spellings: "rope_scaling" with "rope_theta" beside it, and "rope_parameters" with everything inside.
// As in transformers, a "rope_scaling" that says something wins, and a theta inside the block wins over one
// beside it.
void read_rope(const JsonFields& fields, LlamaConfig& config) {
  const std::string& where = fields.where();
  constexpr Bounds<double> kTheta{1e-3, 1e30};
  config.rope_theta = fields.number("rope_theta", kTheta).value_or(config.rope_theta);
  const nlohmann::json* block = fields.find("rope_scaling");
  if (block == nullptr || block->empty()) block = fields.find("rope_parameters");
  if (block == nullptr) return;

  const std::string block_where = where + ": the RoPE settings";
  const JsonFields rope(*block, block_where);
  config.rope_theta = rope.number("rope_theta", kTheta).value_or(config.rope_theta);
  if (rope.number("partial_rotary_factor", {0, 1}).value_or(1) != 1)
    fail("{}: \"partial_rotary_factor\" other than 1 is not supported", block_where);
  const std::string type = rope.string("rope_type").value_or(rope.string("type").value_or("default"));
  if (type == "default") return;
  if (type == "linear") {
    config.rope_linear_factor = rope.required_number("factor", {1, kMaxFactor});
  } else if (type == "llama3") {
    Llama3Rope llama3;
    llama3.factor = rope.required_number("factor", {1, kMaxFactor});
    llama3.low_freq_factor = rope.required_number("low_freq_factor", {1e-9, kMaxFactor});
    llama3.high_freq_factor = rope.required_number("high_freq_factor", {1e-9, kMaxFactor});
    if (llama3.high_freq_factor <= llama3.low_freq_factor)
      fail("{}: \"high_freq_factor\" ({}) should be larger than \"low_freq_factor\" ({})", block_where,
           llama3.high_freq_factor, llama3.low_freq_factor);
    llama3.original_max_positions = rope.required_integer("original_max_position_embeddings", {1, kMaxIds});
    config.llama3_rope = llama3;
  } else {
    fail("{}: the rope_type \"{}\" is not supported; \"llama3\", \"linear\" and \"default\" are", block_where,
         quote(type));
  }
}

// The parameters as a double, which no product of checked sizes overflows.
double approximate_parameters(const LlamaConfig& config) {
  const double C = static_cast<double>(config.hidden_size), F = static_cast<double>(config.intermediate_size);
  const double attention = 2.0 * C * static_cast<double>(config.head_dim) *
                           static_cast<double>(config.num_heads + config.num_kv_heads);
  return 2.0 * C * static_cast<double>(config.vocab_size) +
         static_cast<double>(config.num_layers) * (attention + 3.0 * C * F + 2.0 * C);
}

}  // namespace

LlamaConfig LlamaConfig::from_json(const nlohmann::json& json, const std::string& where) {
  const JsonFields fields(json, where);
  refuse_other_architectures(fields);
  LlamaConfig config;
  config.vocab_size = fields.required_integer("vocab_size", {1, kMaxIds});
  config.hidden_size = fields.required_integer("hidden_size", {1, kMaxWidth});
  config.intermediate_size = fields.required_integer("intermediate_size", {1, kMaxWidth});
  config.num_layers = fields.required_integer("num_hidden_layers", {1, kMaxLayers});
  config.num_heads = fields.required_integer("num_attention_heads", {1, kMaxWidth});
  config.num_kv_heads = fields.integer("num_key_value_heads", {1, kMaxWidth}).value_or(config.num_heads);
  if (config.num_heads % config.num_kv_heads != 0)
    fail("{}: \"num_attention_heads\" ({}) should be a multiple of \"num_key_value_heads\" ({})", where,
         config.num_heads, config.num_kv_heads);
  const std::optional<int64_t> head_dim = fields.integer("head_dim", {1, kMaxWidth});
  if (!head_dim && config.hidden_size % config.num_heads != 0)
    fail(
        "{}: \"hidden_size\" ({}) should be a multiple of \"num_attention_heads\" ({}) when \"head_dim\" is "
        "not given",
        where, config.hidden_size, config.num_heads);
  config.head_dim = head_dim.value_or(config.hidden_size / config.num_heads);
  if (config.head_dim % 2 != 0)
    fail("{}: the head size is {}, but rotary positions need an even one", where, config.head_dim);
  if (config.head_dim * config.num_heads > kMaxWidth)
    fail("{}: {} heads of size {} are more than the {} columns supported", where, config.num_heads,
         config.head_dim, kMaxWidth);
  // The defaults are those of transformers' LlamaConfig.
  config.max_positions = fields.integer("max_position_embeddings", {1, kMaxIds}).value_or(2048);
  config.norm_eps = fields.number("rms_norm_eps", {0, 1}).value_or(1e-6);
  config.has_tied_head = fields.boolean("tie_word_embeddings").value_or(false);
  read_rope(fields, config);
  const char* dtype_field = fields.find("dtype") != nullptr ? "dtype" : "torch_dtype";
  config.dtype = parse_dtype(fields.string(dtype_field).value_or("float32"), where);
  if (const std::optional<int64_t> bos = fields.integer("bos_token_id", {-1, kMaxIds}); bos && *bos >= 0)
    config.bos_id = static_cast<int32_t>(*bos);
  config.eos_ids = read_ids(fields, "eos_token_id");
  if (approximate_parameters(config) > kMaxParameters)
    fail("{}: the sizes make a model of {:.1e} parameters, which cannot be right", where,
         approximate_parameters(config));
  if (fields.integer("pretraining_tp", {1, kMaxWidth}).value_or(1) > 1)
    warn(
        "{}: \"pretraining_tp\" is ignored; results may differ in the last bits from the program that splits "
        "sums",
        where);
  return config;
}

LlamaConfig LlamaConfig::load(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  if (!std::filesystem::exists(path))
    fail("{} holds no config.json, so it is not a whole model folder in the Hugging Face layout",
         folder.string());
  return from_json(parse_json(read_file(path, kMaxFileBytes), path.string()), path.string());
}

LlamaConfig LlamaConfig::named_shape(const std::string& name) {
  if (const size_t colon = name.find(':'); colon != std::string::npos) {
    LlamaConfig config = named_shape(name.substr(0, colon));
    int64_t layers = 0;
    const auto [end, error] = std::from_chars(name.data() + colon + 1, name.data() + name.size(), layers);
    if (error != std::errc() || end != name.data() + name.size() || layers < 1 || layers > config.num_layers)
      fail("\"{}\" ends in no number of layers from 1 to {}", quote(name), config.num_layers);
    config.num_layers = layers;
    return config;
  }
  LlamaConfig llama3{.vocab_size = 128256,
                     .num_kv_heads = 8,
                     .head_dim = 128,
                     .max_positions = 8192,
                     .rope_theta = 500000,
                     .llama3_rope = Llama3Rope{},
                     .bos_id = 128000,
                     .eos_ids = {128001, 128008, 128009}};
  if (name == "poro2-8b") {
    llama3.hidden_size = 4096;
    llama3.intermediate_size = 14336;
    llama3.num_layers = 32;
    llama3.num_heads = 32;
    return llama3;
  }
  if (name == "poro2-70b") {
    llama3.hidden_size = 8192;
    llama3.intermediate_size = 28672;
    llama3.num_layers = 80;
    llama3.num_heads = 64;
    return llama3;
  }
  if (name == "1b") {  // Llama 3.2 1B.
    llama3.hidden_size = 2048;
    llama3.intermediate_size = 8192;
    llama3.num_layers = 16;
    llama3.num_heads = 32;
    llama3.head_dim = 64;
    llama3.max_positions = 131072;
    llama3.llama3_rope->factor = 32;
    llama3.has_tied_head = true;
    return llama3;
  }
  if (name == "tiny")
    return {.vocab_size = 1024,
            .hidden_size = 128,
            .intermediate_size = 384,
            .num_layers = 2,
            .num_heads = 4,
            .num_kv_heads = 2,
            .head_dim = 32,
            .max_positions = 2048,
            .bos_id = 0,
            .eos_ids = {1}};
  fail("no built-in shape is called \"{}\"; there are poro2-8b, poro2-70b, 1b and tiny", quote(name));
}

nlohmann::ordered_json LlamaConfig::to_json() const {
  nlohmann::ordered_json json = {{"architectures", {"LlamaForCausalLM"}},
                                 {"model_type", "llama"},
                                 {"hidden_act", "silu"},
                                 {"attention_bias", false},
                                 {"mlp_bias", false},
                                 {"vocab_size", vocab_size},
                                 {"hidden_size", hidden_size},
                                 {"intermediate_size", intermediate_size},
                                 {"num_hidden_layers", num_layers},
                                 {"num_attention_heads", num_heads},
                                 {"num_key_value_heads", num_kv_heads},
                                 {"head_dim", head_dim},
                                 {"max_position_embeddings", max_positions},
                                 {"rms_norm_eps", norm_eps},
                                 {"rope_theta", rope_theta}};
  // The older spelling, which every version of every reader understands.
  if (llama3_rope) {
    json["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", llama3_rope->factor},
                            {"low_freq_factor", llama3_rope->low_freq_factor},
                            {"high_freq_factor", llama3_rope->high_freq_factor},
                            {"original_max_position_embeddings", llama3_rope->original_max_positions}};
  } else if (rope_linear_factor != 1) {
    json["rope_scaling"] = {{"rope_type", "linear"}, {"factor", rope_linear_factor}};
  }
  json["tie_word_embeddings"] = has_tied_head;
  json["torch_dtype"] = torch_name(dtype);
  if (bos_id) json["bos_token_id"] = *bos_id;
  if (eos_ids.size() == 1)
    json["eos_token_id"] = eos_ids[0];
  else if (!eos_ids.empty())
    json["eos_token_id"] = eos_ids;
  return json;
}

std::vector<double> LlamaConfig::rope_frequencies() const {
  std::vector<double> frequencies(static_cast<size_t>(head_dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    double frequency = std::pow(rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    if (llama3_rope) {
      const double context = static_cast<double>(llama3_rope->original_max_positions);
      const double low = llama3_rope->low_freq_factor, high = llama3_rope->high_freq_factor;
      // How often the pair turns over the original context: under `low` it is stretched, over `high` it is
      // kept.
      const double turns = context * frequency / (2 * std::numbers::pi);
      if (turns < low) {
        frequency /= llama3_rope->factor;
      } else if (turns <= high) {
        const double kept = (turns - low) / (high - low);
        frequency = (1 - kept) * frequency / llama3_rope->factor + kept * frequency;
      }
    }
    frequencies[i] = frequency / rope_linear_factor;
  }
  return frequencies;
}

int64_t LlamaConfig::num_parameters() const {
  int64_t total = 0;
  for (const WeightSpec& weight : weight_table(*this)) total += weight.shape.elements();
  return total;
}

GenerationConfig GenerationConfig::from_json(const nlohmann::json& json, const std::string& where) {
  const JsonFields fields(json, where);
  GenerationConfig config;
  config.do_sample = fields.boolean("do_sample");
  config.temperature = fields.number("temperature", {0, 1e6});
  config.top_p = fields.number("top_p", {0, 1});
  config.min_p = fields.number("min_p", {0, 1});
  config.typical_p = fields.number("typical_p", {0, 1});
  config.repetition_penalty = fields.number("repetition_penalty", {1e-6, 1e6});
  config.top_k = fields.integer("top_k", {0, kMaxIds});
  config.max_new_tokens = fields.integer("max_new_tokens", {0, kMaxIds});
  config.eos_ids = read_ids(fields, "eos_token_id");
  return config;
}

GenerationConfig GenerationConfig::load(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "generation_config.json";
  if (!std::filesystem::exists(path)) return {};
  return from_json(parse_json(read_file(path, kMaxFileBytes), path.string()), path.string());
}

}  // namespace poro
