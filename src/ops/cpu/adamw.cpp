// The update in f32, corrections and factors in double.
#include "ops/adamw.h"

#include <cmath>

#include "ops/stochastic_rounding.h"

namespace poro {
namespace {

struct Factors {
  float scale, eps, beta1, rest1, beta2, rest2, decay, rate, root_scale;
};

Factors factors_of(const AdamW& op) {
  const double steps = static_cast<double>(op.step);
  return {.scale = static_cast<float>(op.gradient_scale),
          .eps = static_cast<float>(op.eps),
          .beta1 = static_cast<float>(op.beta1),
          .rest1 = static_cast<float>(1.0 - op.beta1),
          .beta2 = static_cast<float>(op.beta2),
          .rest2 = static_cast<float>(1.0 - op.beta2),
          .decay = static_cast<float>(1.0 - op.learning_rate * op.weight_decay),
          .rate = static_cast<float>(op.learning_rate / (1.0 - std::pow(op.beta1, steps))),
          .root_scale = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(op.beta2, steps)))};
}

float updated(const Factors& f, float weight, float first, float second) {
  return weight * f.decay - f.rate * first / (std::sqrt(second) * f.root_scale + f.eps);
}

void update_exact(const AdamW& op, const Factors& f, Range range) {
  float *weights = op.weights.as<float>(), *first = op.first.as<float>(), *second = op.second.as<float>();
  const float* gradients = op.gradient.as<float>();
  for (int64_t i = range.begin; i < range.end; ++i) {
    const float gradient = gradients[i] * f.scale;
    first[i] = f.beta1 * first[i] + f.rest1 * gradient;
    second[i] = f.beta2 * second[i] + f.rest2 * gradient * gradient;
    weights[i] = updated(f, weights[i], first[i], second[i]);
  }
}

void update_rounded(const AdamW& op, const Factors& f, Range range) {
  float* weights = op.weights.as<float>();
  BFloat16 *firsts = op.first.as<BFloat16>(), *seconds = op.second.as<BFloat16>();
  const float* gradients = op.gradient.as<float>();
  for (int64_t i = range.begin; i < range.end; ++i) {
    const float gradient = gradients[i] * f.scale;
    const float first = f.beta1 * static_cast<float>(firsts[i]) + f.rest1 * gradient;
    const float second = f.beta2 * static_cast<float>(seconds[i]) + f.rest2 * gradient * gradient;
    const auto words = rounding_words(op.seed, op.first_element + i, op.step);
    firsts[i] = round_by_chance(first, words[0]);
    seconds[i] = round_by_chance(second, words[1]);
    weights[i] = updated(f, weights[i], first, second);
  }
}

}  // namespace

void run(Cpu& cpu, const AdamW& op) {
  const Factors factors = factors_of(op);
  parallel_for(cpu.pool, op.weights.elements(), 4096, [&](Range range) {
    if (op.first.dtype == DType::kBF16)
      update_rounded(op, factors, range);
    else
      update_exact(op, factors, range);
    if (!op.rounded) return;
    const float* weights = op.weights.as<float>();
    BFloat16* rounded = op.rounded.as<BFloat16>();
    for (int64_t i = range.begin; i < range.end; ++i) rounded[i] = BFloat16(weights[i]);
  });
}

}  // namespace poro
