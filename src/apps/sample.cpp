// `poro sample`: what the sampler would draw from, for logits on standard input.
#include <iostream>

#include "apps/commands.h"
#include "apps/jsonl.h"
#include "base/error.h"
#include "infer/sampler.h"

namespace poro {
namespace {

std::vector<double> read_logits(Fields& fields) {
  const Json* array = fields.find("logits");
  if (array == nullptr || !array->is_array() || array->empty())
    fail("\"logits\" is missing or no array of numbers");
  std::vector<double> logits;
  logits.reserve(array->size());
  for (const Json& logit : *array) {
    if (!logit.is_number())
      fail("\"logits\" holds a {} at index {}, not a number", logit.type_name(), logits.size());
    logits.push_back(logit.get<double>());
  }
  return logits;
}

SamplingParameters read_parameters(Fields& fields) {
  SamplingParameters parameters;
  const Json* object = fields.find("parameters");
  if (object == nullptr) return parameters;
  if (!object->is_object()) fail("\"parameters\" is of type {}, not an object", object->type_name());
  for (const auto& [name, value] : object->items()) {
    const SamplingField* field = find_sampling_field(name);
    if (field == nullptr)
      fail("\"parameters\" holds \"{}\", which is no sampling parameter; see `poro sample --help`", name);
    if (!value.is_null()) set_parameter(parameters, *field, value);
  }
  return parameters;
}

Json probabilities(const Json& line) {
  Fields fields(line);
  std::vector<double> logits = read_logits(fields);
  Sampler sampler(read_parameters(fields));
  for (const int32_t id : fields.ids("previous_ids").value_or(std::vector<int32_t>{})) {
    if (static_cast<size_t>(id) >= logits.size())
      fail("\"previous_ids\" holds {}, outside the vocabulary of {} logits", id, logits.size());
    sampler.add_generated(id);
  }
  const auto left = sampler.distribution({.data = reinterpret_cast<std::byte*>(logits.data()),
                                          .dtype = DType::kF64,
                                          .shape = {static_cast<int64_t>(logits.size())}});
  std::vector<double> all(logits.size(), 0.0);
  for (size_t i = 0; i < left.ids.size(); ++i) all[static_cast<size_t>(left.ids[i])] = left.probabilities[i];
  return {{"probabilities", all}};
}

}  // namespace

void add_sample(CLI::App& root) {
  CLI::App* command = root.add_subcommand("sample", "What the sampler would draw from, given logits");
  std::string footer =
      "Lines in:  {\"logits\": [...], \"previous_ids\": [...], \"parameters\": {...}}\n"
      "Lines out: {\"probabilities\": [...]}\nParameters, in the order they act:\n";
  for (const SamplingField& field : sampling_fields())
    footer += fmt::format("  {:<20} {}\n", field.name, field.help);
  footer += "Example: echo '{\"logits\": [1, 2, 3], \"parameters\": {\"top_k\": 2}}' | poro sample";
  command->footer(footer);
  command->callback([] { answer_lines(std::cin, probabilities); });
}

}  // namespace poro
