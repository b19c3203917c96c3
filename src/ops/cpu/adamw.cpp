// The update in f32, corrections and factors in double.
#include "ops/adamw.h"

#include <cmath>

namespace poro {

void run(Cpu& cpu, const AdamW& op) {
  float *weights = op.weights.as<float>(), *first = op.first.as<float>(), *second = op.second.as<float>();
  const float* gradients = op.gradient.as<float>();
  const float scale = static_cast<float>(op.gradient_scale), eps = static_cast<float>(op.eps);
  const float beta1 = static_cast<float>(op.beta1), rest1 = static_cast<float>(1.0 - op.beta1);
  const float beta2 = static_cast<float>(op.beta2), rest2 = static_cast<float>(1.0 - op.beta2);
  const float decay = static_cast<float>(1.0 - op.learning_rate * op.weight_decay);
  const float rate = static_cast<float>(op.learning_rate / (1.0 - std::pow(op.beta1, static_cast<double>(op.step))));
  const float root_scale = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(op.beta2, static_cast<double>(op.step))));
  parallel_for(cpu.pool, op.weights.elements(), 4096, [&](Range range) {
    for (int64_t i = range.begin; i < range.end; ++i) {
      const float gradient = gradients[i] * scale;
      first[i] = beta1 * first[i] + rest1 * gradient;
      second[i] = beta2 * second[i] + rest2 * gradient * gradient;
      weights[i] = weights[i] * decay - rate * first[i] / (std::sqrt(second[i]) * root_scale + eps);
    }
  });
}

}  // namespace poro
