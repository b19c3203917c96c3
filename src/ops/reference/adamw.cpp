// The update by its definition.
#include "ops/adamw.h"

#include <cmath>

namespace poro {

void run(Reference&, const AdamW& op) {
  const double first_correction = 1.0 - std::pow(op.beta1, static_cast<double>(op.step));
  const double second_correction = 1.0 - std::pow(op.beta2, static_cast<double>(op.step));
  for (int64_t i = 0; i < op.weights.elements(); ++i) {
    const double gradient = load_element(op.gradient, i) * op.gradient_scale;
    const double first = op.beta1 * load_element(op.first, i) + (1.0 - op.beta1) * gradient;
    const double second = op.beta2 * load_element(op.second, i) + (1.0 - op.beta2) * gradient * gradient;
    store_element(op.first, i, first);
    store_element(op.second, i, second);
    const double weight = load_element(op.weights, i) * (1.0 - op.learning_rate * op.weight_decay);
    const double update = (first / first_correction) / (std::sqrt(second / second_correction) + op.eps);
    store_element(op.weights, i, weight - op.learning_rate * update);
  }
}

}  // namespace poro
