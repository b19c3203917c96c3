// What a Llama model is: the numbers of config.json, checked, under the names this program uses.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace poro {

// Llama 3.1's stretching of the rotary frequencies: wavelengths over original_max_positions / low_freq_factor
// turn `factor` times slower, those under original_max_positions / high_freq_factor as before, those between
// in proportion.
struct Llama3Rope {
  double factor = 8, low_freq_factor = 1, high_freq_factor = 4;
  int64_t original_max_positions = 8192;
};

struct LlamaConfig {
  int64_t vocab_size = 0;         // V
  int64_t hidden_size = 0;        // C
  int64_t intermediate_size = 0;  // F
  int64_t num_layers = 0;         // L
  int64_t num_heads = 0;          // H
  int64_t num_kv_heads = 0;       // K
  int64_t head_dim = 0;           // D; not always C / H
  int64_t max_positions = 0;      // The context: the most positions the model was made for.
  double norm_eps = 1e-5;
  double rope_theta = 10000;
  std::optional<Llama3Rope> llama3_rope{};
  double rope_linear_factor = 1;  // rope_type "linear": positions divided by this.
  bool has_tied_head = false;     // The head is the embedding table.
  DType dtype = DType::kBF16;     // As config.json says; the tensors of a checkpoint each have their own.
  std::optional<int32_t> bos_id{};
  std::vector<int32_t> eos_ids;

  // Reads and checks config.json (both spellings of the RoPE settings). `where` names the file in errors.
  // Throws Error.
  static LlamaConfig from_json(const nlohmann::json& json, const std::string& where);
  static LlamaConfig load(const std::filesystem::path& folder);
  // "poro2-8b", "poro2-70b", "1b", "tiny": the shapes for benchmarks; "poro2-70b:40" is the same with 40
  // layers. Throws Error that lists them.
  static LlamaConfig named_shape(const std::string& name);
  nlohmann::ordered_json to_json() const;

  // (D/2) radians per position, scaling included.
  std::vector<double> rope_frequencies() const;
  int64_t num_parameters() const;
};

// What generation_config.json says; absent fields are left at "do nothing".
struct GenerationConfig {
  std::optional<bool> do_sample;
  std::optional<double> temperature, top_p, min_p, typical_p, repetition_penalty;
  std::optional<int64_t> top_k, max_new_tokens;
  std::vector<int32_t> eos_ids;

  // Reads and checks generation_config.json. `where` names the file in errors. Throws Error.
  static GenerationConfig from_json(const nlohmann::json& json, const std::string& where);
  // The file in the folder, or an empty one when it is missing. Throws Error on a broken file.
  static GenerationConfig load(const std::filesystem::path& folder);
};

}  // namespace poro
