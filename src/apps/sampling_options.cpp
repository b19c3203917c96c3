#include "apps/sampling_options.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"

namespace poro {
namespace {

std::string flag_of(std::string_view name) {
  std::string flag = "--" + std::string(name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

void set_if(SamplingParameters& parameters, const char* name, const auto& value) {
  if (!value) return;
  try {
    set_parameter(parameters, *find_sampling_field(name), Json(*value));
  } catch (const Error& error) {
    fail("generation_config.json: {}", error.what());
  }
}

}  // namespace

void add_sampling_options(CLI::App& command, SamplingFlags& flags) {
  for (const SamplingField& field : sampling_fields())
    if (field.name != "seed")
      command.add_option(flag_of(field.name), flags[std::string(field.name)], std::string(field.help));
}

SamplingParameters sampling_defaults(const OpenModel& model, const SamplingFlags& flags,
                                     const ModelOptions& options) {
  SamplingParameters parameters;
  const GenerationConfig& config = model.generation;
  set_if(parameters, "repetition_penalty", config.repetition_penalty);
  if (config.do_sample.value_or(false)) {
    set_if(parameters, "temperature", config.temperature);
    set_if(parameters, "top_k", config.top_k);
    set_if(parameters, "top_p", config.top_p);
    set_if(parameters, "min_p", config.min_p);
    set_if(parameters, "typical_p", config.typical_p);
  } else {
    parameters.temperature = 0;
  }
  bool is_narrowed = false;
  for (const auto& [name, text] : flags) {
    if (text.empty()) continue;
    set_parameter(parameters, *find_sampling_field(name), text);
    is_narrowed |= name == "top_k" || name == "top_p" || name == "min_p" || name == "typical_p";
  }
  if (is_narrowed && parameters.temperature == 0)
    warn(
        "the temperature is 0, so the likeliest token is taken whatever top-k, top-p, min-p and typical-p "
        "say; add --temperature 1");
  parameters.seed = options.seed.value_or(0);
  return parameters;
}

void read_sampling(Fields& fields, SamplingParameters& parameters) {
  for (const SamplingField& field : sampling_fields())
    if (const Json* value = fields.find(field.name)) set_parameter(parameters, field, *value);
}

}  // namespace poro
