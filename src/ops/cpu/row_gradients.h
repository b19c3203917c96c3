// Gradients that walk along rows, and the optimizer's update. Compiled by gradients_<level>.cpp.
#pragma once

#include "ops/cpu/gradient_kernels.h"
#include "ops/cpu/simd.h"

namespace poro::PORO_ISA {

inline void softmax_gradient(const SoftmaxGradientArgs& args) {
  int64_t i = 0;
  for (; i + kLanes <= args.count; i += kLanes)
    store(args.row + i, exp(load(args.row + i) - args.shift) * args.coefficient);
  const int64_t rest = args.count - i;
  if (rest > 0)
    store_partial(args.row + i, exp(load_partial(args.row + i, rest) - args.shift) * args.coefficient, rest);
}

inline void swiglu_gradient(const SwiGluGradientArgs& args) {
  const auto step = [&](int64_t i, int64_t count) {
    const bool is_whole = count == kLanes;
    const auto read = [&](const float* from) {
      return is_whole ? load(from + i) : load_partial(from + i, count);
    };
    const Vec gate = read(args.gate), up = read(args.up), dy = read(args.dy);
    const Vec sigmoid = splat(1.0f) / (exp(-gate) + 1.0f);
    const Vec dgate = dy * up * sigmoid * (gate * (splat(1.0f) - sigmoid) + 1.0f), dup = dy * gate * sigmoid;
    if (is_whole) {
      store(args.dgate + i, dgate);
      store(args.dup + i, dup);
    } else {
      store_partial(args.dgate + i, dgate, count);
      store_partial(args.dup + i, dup, count);
    }
  };
  int64_t i = 0;
  for (; i + kLanes <= args.count; i += kLanes) step(i, kLanes);
  if (i < args.count) step(i, args.count - i);
}

inline void norm_gradient(const NormGradientArgs& args) {
  const int64_t whole = args.width / kLanes * kLanes;
  Vec sums[2] = {};
  for (int64_t c = 0; c < whole; c += kLanes)
    sums[c / kLanes % 2] = fma(load(args.dy + c) * load(args.w + c), load(args.x + c), sums[c / kLanes % 2]);
  double mean = static_cast<double>(sum(sums[0] + sums[1]));
  for (int64_t c = whole; c < args.width; ++c)
    mean += static_cast<double>(args.dy[c] * args.w[c] * args.x[c]);
  const float share = static_cast<float>(mean / static_cast<double>(args.width)) * args.rstd;
  for (int64_t c = 0; c < whole; c += kLanes) {
    const Vec normed = load(args.x + c) * args.rstd, dy = load(args.dy + c);
    store(args.dx + c, load(args.dx + c) + (dy * load(args.w + c) - normed * share) * args.rstd);
    store(args.dw + c, fma(dy, normed, load(args.dw + c)));
  }
  for (int64_t c = whole; c < args.width; ++c) {
    const float normed = args.x[c] * args.rstd;
    args.dx[c] += args.rstd * (args.dy[c] * args.w[c] - normed * share);
    args.dw[c] += args.dy[c] * normed;
  }
}

inline void adamw(const AdamWArgs& args) {
  for (int64_t i = 0; i < args.count; ++i) {
    const float gradient = args.gradient[i] * args.scale;
    const float first = args.beta1 * args.first[i] + args.rest1 * gradient;
    const float second = args.beta2 * args.second[i] + args.rest2 * gradient * gradient;
    args.first[i] = first;
    args.second[i] = second;
    args.weights[i] = args.weights[i] * args.decay -
                      args.rate * first / (__builtin_sqrtf(second) * args.root_scale + args.eps);
  }
}

}  // namespace poro::PORO_ISA
