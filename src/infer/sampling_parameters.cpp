#include "infer/sampling_parameters.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace poro {
namespace {

using P = SamplingParameters;

bool is_share(double value) {
  return value > 0 && value <= 1;
}
bool is_any(double) {
  return true;
}

constexpr SamplingField kFields[] = {
    {"temperature", &P::temperature, "0 or more", [](double value) { return value >= 0; },
     "Divides the logits; 0 always takes the likeliest token"},
    {"top_k", &P::top_k, "a whole number, 0 or more", [](double value) { return value >= 0; },
     "Keep the k likeliest tokens; 0 keeps all"},
    {"top_p", &P::top_p, "above 0 and at most 1", is_share,
     "Keep the likeliest tokens that together hold this probability"},
    {"min_p", &P::min_p, "from 0 to 1", [](double value) { return value >= 0 && value <= 1; },
     "Keep tokens at least this share as likely as the likeliest"},
    {"typical_p", &P::typical_p, "above 0 and at most 1", is_share,
     "Keep the tokens nearest the expected surprise that together hold this probability"},
    {"repetition_penalty", &P::repetition_penalty, "above 0", [](double value) { return value > 0; },
     "Over 1 makes tokens of the text so far, prompt included, less likely"},
    {"presence_penalty", &P::presence_penalty, "a number", is_any,
     "Subtracted from the logit of every token generated before"},
    {"frequency_penalty", &P::frequency_penalty, "a number", is_any,
     "Subtracted from the logit of a token once for each time it was generated"},
    {"seed", &P::seed, "a whole number, 0 or more", is_any, "The same seed gives the same text"},
};

[[noreturn]] void refuse(const SamplingField& field, const std::string& value) {
  fail("{} is {}, but must be {}", field.name, value, field.range);
}

}  // namespace

std::span<const SamplingField> sampling_fields() {
  return kFields;
}

const SamplingField* find_sampling_field(std::string_view name) {
  for (const SamplingField& field : kFields)
    if (field.name == name) return &field;
  return nullptr;
}

void set_parameter(SamplingParameters& parameters, const SamplingField& field,
                   const nlohmann::ordered_json& value) {
  const std::string shown = value.is_number() ? value.dump() : std::string(value.type_name());
  if (!value.is_number()) refuse(field, shown);
  if (!std::isfinite(value.get<double>()) || !field.is_in_range(value.get<double>())) refuse(field, shown);
  if (const auto* real = std::get_if<double P::*>(&field.member)) {
    parameters.** real = value.get<double>();
  } else if (!value.is_number_integer()) {
    refuse(field, shown);
  } else if (const auto* count = std::get_if<int64_t P::*>(&field.member)) {
    if (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX) refuse(field, shown);
    parameters.** count = value.get<int64_t>();
  } else {
    if (!value.is_number_unsigned() && value.get<int64_t>() < 0) refuse(field, shown);
    parameters.*std::get<uint64_t P::*>(field.member) = value.get<uint64_t>();
  }
}

void set_parameter(SamplingParameters& parameters, const SamplingField& field, const std::string& text) {
  const auto value = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!value.is_number()) refuse(field, fmt::format("\"{}\"", text));
  set_parameter(parameters, field, value);
}

std::string parameter_text(const SamplingParameters& parameters, const SamplingField& field) {
  return std::visit([&](auto member) { return fmt::format("{}", parameters.*member); }, field.member);
}

}  // namespace poro
