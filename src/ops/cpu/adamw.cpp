// The update in f32, corrections and factors in double.
#include "ops/adamw.h"

#include <algorithm>
#include <cmath>

#include "ops/cpu/gradient_kernels.h"
#include "ops/cpu/kernels.h"
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

// Elements [range) in pieces that stay in the cache from the update to the rounding.
void update(Cpu& cpu, const AdamW& op, const Factors& f, Range range) {
  constexpr int64_t kPiece = 4096;
  float* weights = op.weights.as<float>();
  for (int64_t first = range.begin; first < range.end; first += kPiece) {
    const int64_t count = std::min(kPiece, range.end - first);
    if (op.first.dtype == DType::kBF16)
      update_rounded(op, f, {first, first + count});
    else
      gradient_kernels(cpu.isa).adamw({.weights = weights + first,
                                       .first = op.first.as<float>() + first,
                                       .second = op.second.as<float>() + first,
                                       .gradient = op.gradient.as<float>() + first,
                                       .count = count,
                                       .scale = f.scale,
                                       .eps = f.eps,
                                       .beta1 = f.beta1,
                                       .rest1 = f.rest1,
                                       .beta2 = f.beta2,
                                       .rest2 = f.rest2,
                                       .decay = f.decay,
                                       .rate = f.rate,
                                       .root_scale = f.root_scale});
    if (op.rounded)
      kernels(cpu.isa).convert({.from = weights + first,
                                .from_dtype = DType::kF32,
                                .to = op.rounded.as<BFloat16>() + first,
                                .to_dtype = DType::kBF16,
                                .count = count});
  }
}

}  // namespace

void run(Cpu& cpu, const AdamW& op) {
  const Factors factors = factors_of(op);
  parallel_for(cpu.pool, op.weights.elements(), 4096, [&](Range range) { update(cpu, op, factors, range); });
}

}  // namespace poro
