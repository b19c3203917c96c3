// How the next token is chosen from the model's logits: the numbers, their ranges, and one table of them from
// which flags, JSON fields, `/set` and errors are made.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace poro {

// The defaults do nothing: the softmax of the logits as they are.
struct SamplingParameters {
  double temperature = 1;  // 0: always the likeliest token, the lowest id among equals.
  int64_t top_k = 0;       // 0: every token.
  double top_p = 1;
  double min_p = 0;
  double typical_p = 1;
  double repetition_penalty = 1;
  double presence_penalty = 0;
  double frequency_penalty = 0;
  uint64_t seed = 0;
};

// One parameter: its name everywhere, what values it takes, and where it is kept.
struct SamplingField {
  std::string_view name;
  std::variant<double SamplingParameters::*, int64_t SamplingParameters::*, uint64_t SamplingParameters::*>
      member;
  std::string_view range;  // "above 0 and at most 1"
  bool (*is_in_range)(double);
  std::string_view help;
};

std::span<const SamplingField> sampling_fields();
// The field of that name, or null.
const SamplingField* find_sampling_field(std::string_view name);

// Sets one parameter from a JSON number or from text. Throws Error that names the parameter, its range and
// the value.
void set_parameter(SamplingParameters& parameters, const SamplingField& field,
                   const nlohmann::ordered_json& value);
void set_parameter(SamplingParameters& parameters, const SamplingField& field, const std::string& text);
// The value as text, as `set_parameter` takes it.
std::string parameter_text(const SamplingParameters& parameters, const SamplingField& field);

}  // namespace poro
