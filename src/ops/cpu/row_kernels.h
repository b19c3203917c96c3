// Kernels that walk along rows: conversions, norm, rotation, gate, softmax's denominator. Compiled by
// kernels_<level>.cpp.
#pragma once

#include "ops/cpu/kernels.h"
#include "ops/cpu/simd.h"

namespace poro::PORO_ISA {

// Calls body(pointer of the right type) for a floating type.
template <class Body>
PORO_INLINE void with_type(DType dtype, const void* data, const Body& body) {
  if (dtype == DType::kF32) body(static_cast<const float*>(data));
  if (dtype == DType::kBF16) body(static_cast<const Bf16*>(data));
  if (dtype == DType::kF16) body(static_cast<const F16*>(data));
}

// Calls body(at, load) for every vector of [0, count): load(pointer) reads kLanes elements at `at`, or what
// is left.
template <class From, class To>
void convert_typed(const From* from, To* to, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(to + i, load(from + i));
  if (i < count) store_partial(to + i, load_partial(from + i, count - i), count - i);
}

inline void convert(const ConvertArgs& args) {
  with_type(args.from_dtype, args.from, [&](const auto* from) {
    with_type(args.to_dtype, args.to, [&](const auto* to) {
      using To = std::remove_const_t<std::remove_pointer_t<decltype(to)>>;
      convert_typed(from, static_cast<To*>(args.to), args.count);
    });
  });
}

template <class W>
void norm_typed(const NormArgs& args, const W* w) {
  const int64_t width = args.width, whole = width / kLanes * kLanes, rest = width - whole;
  for (int64_t t = 0; t < args.tokens; ++t) {
    const float* x = args.x + t * width;
    float* y = args.y + t * width;
    Vec squares[4] = {};
    int64_t c = 0;
    for (; c + 4 * kLanes <= width; c += 4 * kLanes)
      for (int part = 0; part < 4; ++part) {
        const Vec value = load(x + c + part * kLanes);
        squares[part] = fma(value, value, squares[part]);
      }
    for (; c < whole; c += kLanes) squares[0] = fma(load(x + c), load(x + c), squares[0]);
    if (rest > 0) {
      const Vec value = load_partial(x + whole, rest);
      squares[1] = fma(value, value, squares[1]);
    }
    const double mean = static_cast<double>(sum((squares[0] + squares[1]) + (squares[2] + squares[3]))) /
                        static_cast<double>(width);
    const float rstd = static_cast<float>(1.0 / __builtin_sqrt(mean + args.eps));
    if (args.rstd != nullptr) args.rstd[t] = rstd;
    for (c = 0; c < whole; c += kLanes) store(y + c, load(x + c) * rstd * load(w + c));
    if (rest > 0)
      store_partial(y + whole, load_partial(x + whole, rest) * rstd * load_partial(w + whole, rest), rest);
  }
}

inline void norm(const NormArgs& args) {
  with_type(args.w_dtype, args.w, [&](const auto* w) { norm_typed(args, w); });
}

struct SinCos {
  float sine[kLanes], cosine[kLanes];
};

// Sine and cosine of position * frequencies[0, count) within 2e-7: the angle in double, reduced to [-pi/4,
// pi/4] with pi/2 in two parts (the first exact for up to 2^20 quarter turns), then the series of both in
// float.
inline SinCos sin_cos(double position, const double* frequencies, int64_t count) {
  float reduced[kLanes] = {};
  int32_t quarters[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) {
    const double angle = position * frequencies[i];
    const double shifted = angle * 0.63661977236758134 + 0x1.8p52;
    const double n = shifted - 0x1.8p52;
    reduced[i] = static_cast<float>((angle - n * 0x1.921fb544p0) - n * 0x1.0b4611a62633p-34);
    quarters[i] = static_cast<int32_t>(n);
  }
  const Vec r = load(reduced), square = r * r;
  Vec sine = splat(1.0f / 362880);
  sine = fma(sine, square, splat(-1.0f / 5040));
  sine = fma(sine, square, splat(1.0f / 120));
  sine = fma(sine, square, splat(-1.0f / 6));
  sine = fma(sine * square, r, r);
  Vec cosine = splat(-1.0f / 3628800);
  cosine = fma(cosine, square, splat(1.0f / 40320));
  cosine = fma(cosine, square, splat(-1.0f / 720));
  cosine = fma(cosine, square, splat(1.0f / 24));
  cosine = fma(cosine, square, splat(-0.5f));
  cosine = fma(cosine, square, splat(1.0f));
  IntVec quarter;
  std::memcpy(&quarter, quarters, sizeof quarter);
  const IntVec is_odd = (quarter & 1) != 0;
  const IntVec sine_sign = (quarter & 2) << 30, cosine_sign = ((quarter + 1) & 2) << 30;
  SinCos result;
  store(result.sine, (Vec)((IntVec)select(is_odd, cosine, sine) ^ sine_sign));
  store(result.cosine, (Vec)((IntVec)select(is_odd, sine, cosine) ^ cosine_sign));
  return result;
}

inline void rope(const RopeArgs& args) {
  const int64_t half = args.head_dim / 2;
  for (int64_t t = 0; t < args.tokens; ++t) {
    float* token = args.x + t * args.heads * args.head_dim;
    for (int64_t i = 0; i < half; i += kLanes) {
      const int64_t count = half - i < kLanes ? half - i : kLanes;
      const SinCos turn = sin_cos(args.positions[t], args.frequencies + i, count);
      const Vec sine = load(turn.sine) * args.sine_sign, cosine = load(turn.cosine);
      for (int64_t h = 0; h < args.heads; ++h) {
        float *low = token + h * args.head_dim + i, *high = low + half;
        if (count == kLanes) {
          const Vec a = load(low), b = load(high);
          store(low, a * cosine - b * sine);
          store(high, b * cosine + a * sine);
        } else {
          const Vec a = load_partial(low, count), b = load_partial(high, count);
          store_partial(low, a * cosine - b * sine, count);
          store_partial(high, b * cosine + a * sine, count);
        }
      }
    }
  }
}

PORO_INLINE Vec silu(Vec x) {
  return x / (exp(-x) + 1.0f);
}

inline void swiglu(const SwiGluArgs& args) {
  int64_t i = 0;
  for (; i + kLanes <= args.count; i += kLanes)
    store(args.y + i, silu(load(args.gate + i)) * load(args.up + i));
  const int64_t rest = args.count - i;
  if (rest > 0)
    store_partial(args.y + i, silu(load_partial(args.gate + i, rest)) * load_partial(args.up + i, rest),
                  rest);
}

inline double log_sum_exp(const LogSumExpArgs& args) {
  const float* logits = args.logits;
  const int64_t whole = args.count / kLanes * kLanes;
  Vec highest_lanes = splat(logits[0]);
  for (int64_t i = 0; i < whole; i += kLanes) highest_lanes = larger(load(logits + i), highest_lanes);
  float highest = largest(highest_lanes);
  for (int64_t i = whole; i < args.count; ++i) highest = logits[i] > highest ? logits[i] : highest;
  // Floats within a block, doubles over blocks: a vocabulary is too long for one float sum.
  constexpr int64_t kBlock = 64 * kLanes;
  double total = 0;
  for (int64_t begin = 0; begin < whole; begin += kBlock) {
    const int64_t end = begin + kBlock < whole ? begin + kBlock : whole;
    Vec block = {};
    for (int64_t i = begin; i < end; i += kLanes) block += exp(load(logits + i) - highest);
    total += static_cast<double>(sum(block));
  }
  for (int64_t i = whole; i < args.count; ++i)
    total += __builtin_exp(static_cast<double>(logits[i] - highest));
  return static_cast<double>(highest) + __builtin_log(total);
}

}  // namespace poro::PORO_ISA
