// The update by its definition.
#include "ops/adamw.h"

#include <cmath>

#include "ops/stochastic_rounding.h"

namespace poro {
namespace {

void store_state(const Tensor& state, int64_t i, double value, uint32_t word) {
  if (state.dtype == DType::kBF16)
    state.as<BFloat16>()[i] = round_by_chance(static_cast<float>(value), word);
  else
    store_element(state, i, value);
}

}  // namespace

void run(Reference&, const AdamW& op) {
  const double first_correction = 1.0 - std::pow(op.beta1, static_cast<double>(op.step));
  const double second_correction = 1.0 - std::pow(op.beta2, static_cast<double>(op.step));
  for (int64_t i = 0; i < op.weights.elements(); ++i) {
    const double gradient = load_element(op.gradient, i) * op.gradient_scale;
    const double first = op.beta1 * load_element(op.first, i) + (1.0 - op.beta1) * gradient;
    const double second = op.beta2 * load_element(op.second, i) + (1.0 - op.beta2) * gradient * gradient;
    const auto words = rounding_words(op.seed, op.first_element + i, op.step);
    store_state(op.first, i, first, words[0]);
    store_state(op.second, i, second, words[1]);
    const double weight = load_element(op.weights, i) * (1.0 - op.learning_rate * op.weight_decay);
    const double update = (first / first_correction) / (std::sqrt(second / second_correction) + op.eps);
    store_state(op.weights, i, weight - op.learning_rate * update, words[2]);
    if (op.rounded) store_element(op.rounded, i, weight - op.learning_rate * update);
  }
}

}  // namespace poro
