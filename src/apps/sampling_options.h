// Where sampling parameters come from: the model's generation_config.json, then the flags, then the line of a
// request.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "apps/jsonl.h"
#include "apps/model_options.h"
#include "infer/sampling_parameters.h"

namespace poro {

using SamplingFlags = std::map<std::string, std::string>;  // What was given, by the name of the parameter.

// One flag for each parameter but the seed, which is --seed of every model command.
void add_sampling_options(CLI::App& command, SamplingFlags& flags);

// The parameters a model starts from. As in transformers, generation_config.json counts only when it says
// do_sample; otherwise the likeliest token is taken. Throws Error.
SamplingParameters sampling_defaults(const OpenModel& model, const SamplingFlags& flags,
                                     const ModelOptions& options);

// Takes the parameters that a request names. Throws Error.
void read_sampling(Fields& fields, SamplingParameters& parameters);

}  // namespace poro
