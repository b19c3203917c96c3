// Every backward op in the reference backend against finite differences of its forward op. A case is a
// forward pass from inputs to outputs and a backward pass from output gradients to input gradients; the loss
// is a fixed random sum of outputs.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "base/random.h"
#include "ops/attention.h"
#include "ops/cross_entropy.h"
#include "ops/embed.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "ops/rope.h"
#include "ops/swiglu.h"

namespace poro {
namespace {

using Values = std::vector<double>;
using Tensors = std::vector<Values>;

Tensor view(const Values& values, Shape shape) {
  return {.data = reinterpret_cast<std::byte*>(const_cast<double*>(values.data())),
          .dtype = DType::kF64,
          .shape = shape};
}

Tensor view(const std::vector<int32_t>& values) {
  return {.data = reinterpret_cast<std::byte*>(const_cast<int32_t*>(values.data())),
          .dtype = DType::kI32,
          .shape = {static_cast<int64_t>(values.size())}};
}

Matrix plain(const Values& values, Shape shape) {
  return {.values = view(values, shape), .quantization = {}};
}

Values random_values(int64_t count, Random& random) {
  Values values;
  for (int64_t i = 0; i < count; ++i) values.push_back(2 * random.uniform() - 1);
  return values;
}

struct GradientCase {
  std::vector<int64_t> input_sizes;
  std::function<Values(Reference&, const Tensors& inputs)> forward;
  // Gradients of all inputs, given the gradient of the output.
  std::function<Tensors(Reference&, const Tensors& inputs, const Values& output,
                        const Values& output_gradient)>
      backward;
};

void check_gradients(const GradientCase& gradient_case) {
  constexpr double kStep = 1e-5,
                   kTolerance =
                       2e-8;  // Central differences: error of order step^2, roundoff of order 1e-16/step.
  Reference reference;
  Random random(7);
  Tensors inputs;
  for (const int64_t size : gradient_case.input_sizes) inputs.push_back(random_values(size, random));
  const Values output = gradient_case.forward(reference, inputs);
  const Values weights = random_values(static_cast<int64_t>(output.size()), random);
  const Tensors gradients = gradient_case.backward(reference, inputs, output, weights);
  ASSERT_EQ(gradients.size(), inputs.size());
  const auto loss = [&] {
    const Values y = gradient_case.forward(reference, inputs);
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += y[i] * weights[i];
    return sum;
  };
  for (size_t input = 0; input < inputs.size(); ++input) {
    for (size_t i = 0; i < inputs[input].size(); ++i) {
      const double kept = inputs[input][i];
      inputs[input][i] = kept + kStep;
      const double above = loss();
      inputs[input][i] = kept - kStep;
      const double below = loss();
      inputs[input][i] = kept;
      const double want = (above - below) / (2 * kStep);
      ASSERT_NEAR(gradients[input][i], want, kTolerance * (1 + std::fabs(want)))
          << "input " << input << ", element " << i;
    }
  }
}

TEST(Gradient, Linear) {
  constexpr int64_t T = 3, O = 4, I = 5;
  check_gradients(
      {.input_sizes = {T * I, O * I, T * O},
       .forward =
           [](Reference& device, const Tensors& in) {
             Values y(T * O);
             run(device, Linear{.x = view(in[0], {T, I}),
                                .w = plain(in[1], {O, I}),
                                .y = view(y, {T, O}),
                                .residual = view(in[2], {T, O})});
             return y;
           },
       .backward =
           [](Reference& device, const Tensors& in, const Values&, const Values& dy) {
             Values dx(T * I, 0.25), dw(O * I, 0.5);
             const Tensor dx_view = view(dx, {T, I});
             run(device,
                 LinearInputGradient{
                     .dy = view(dy, {T, O}), .w = plain(in[1], {O, I}), .dx = dx_view, .residual = dx_view});
             run(device, LinearWeightGradient{
                             .dy = view(dy, {T, O}), .x = view(in[0], {T, I}), .dw = view(dw, {O, I})});
             for (double& value : dx) value -= 0.25;  // Both add to what was there.
             for (double& value : dw) value -= 0.5;
             return Tensors{dx, dw, dy};
           }});
}

TEST(Gradient, RmsNorm) {
  constexpr int64_t T = 3, C = 6;
  check_gradients(
      {.input_sizes = {T * C, C},
       .forward =
           [](Reference& device, const Tensors& in) {
             Values y(T * C);
             run(device,
                 RmsNorm{.x = view(in[0], {T, C}), .w = view(in[1], {C}), .y = view(y, {T, C}), .rstd = {}});
             return y;
           },
       .backward =
           [](Reference& device, const Tensors& in, const Values&, const Values& dy) {
             Values y(T * C), rstd(T), dx(T * C), dw(C);
             const Tensor x = view(in[0], {T, C}), w = view(in[1], {C}), rstd_view = view(rstd, {T});
             run(device, RmsNorm{.x = x, .w = w, .y = view(y, {T, C}), .rstd = rstd_view});
             run(device, RmsNormBackward{.x = x,
                                         .w = w,
                                         .rstd = rstd_view,
                                         .dy = view(dy, {T, C}),
                                         .dx = view(dx, {T, C}),
                                         .dw = view(dw, {C})});
             return Tensors{dx, dw};
           }});
}

TEST(Gradient, Embed) {
  constexpr int64_t T = 5, V = 4, C = 3;
  const std::vector<int32_t> ids = {3, 0, 3, 1, 3};
  check_gradients(
      {.input_sizes = {V * C},
       .forward =
           [&](Reference& device, const Tensors& in) {
             Values y(T * C);
             run(device, Embed{.ids = view(ids), .table = view(in[0], {V, C}), .y = view(y, {T, C})});
             return y;
           },
       .backward =
           [&](Reference& device, const Tensors&, const Values&, const Values& dy) {
             Values dtable(V * C);
             run(device,
                 EmbedBackward{.ids = view(ids), .dy = view(dy, {T, C}), .dtable = view(dtable, {V, C})});
             return Tensors{dtable};
           }});
}

TEST(Gradient, Rope) {
  constexpr int64_t T = 3, H = 2, D = 4;
  const std::vector<int32_t> positions = {0, 5, 9};
  const Values frequencies = {1.0, 0.3};
  const auto rotate = [&](Reference& device, Values x, Rotation rotation) {
    run(device, Rope{.x = view(x, {T, H, D}),
                     .positions = view(positions),
                     .frequencies = view(frequencies, {D / 2}),
                     .rotation = rotation});
    return x;
  };
  check_gradients(
      {.input_sizes = {T * H * D},
       .forward = [&](Reference& device,
                      const Tensors& in) { return rotate(device, in[0], Rotation::kForward); },
       .backward = [&](Reference& device, const Tensors&, const Values&,
                       const Values& dy) { return Tensors{rotate(device, dy, Rotation::kBackward)}; }});
}

TEST(Gradient, SwiGlu) {
  constexpr int64_t T = 3, F = 5;
  check_gradients(
      {.input_sizes = {T * F, T * F},
       .forward =
           [](Reference& device, const Tensors& in) {
             Values y(T * F);
             run(device,
                 SwiGlu{.gate = view(in[0], {T, F}), .up = view(in[1], {T, F}), .y = view(y, {T, F})});
             return y;
           },
       .backward =
           [](Reference& device, const Tensors& in, const Values&, const Values& dy) {
             Tensors gradients = in;  // In place, as training does.
             const Tensor gate = view(gradients[0], {T, F}), up = view(gradients[1], {T, F});
             run(device,
                 SwiGluBackward{.gate = gate, .up = up, .dy = view(dy, {T, F}), .dgate = gate, .dup = up});
             return gradients;
           }});
}

TEST(Gradient, PackedAttention) {
  constexpr int64_t T = 6, H = 4, D = 4;
  for (const int64_t K : {1, 2, 4}) {
    SCOPED_TRACE(K);
    const std::vector<int32_t> starts = {0, 0, 0, 3, 3, 5};
    const auto forward = [&](Reference& device, const Tensors& in, const Values& y, const Values& lse) {
      run(device, PackedAttention{.q = view(in[0], {T, H, D}),
                                  .k = view(in[1], {T, K, D}),
                                  .v = view(in[2], {T, K, D}),
                                  .starts = view(starts),
                                  .y = view(y, {T, H, D}),
                                  .lse = view(lse, {T, H})});
    };
    check_gradients({.input_sizes = {T * H * D, T * K * D, T * K * D},
                     .forward =
                         [&](Reference& device, const Tensors& in) {
                           const Values y(T * H * D), lse(T * H);
                           forward(device, in, y, lse);
                           return y;
                         },
                     .backward =
                         [&](Reference& device, const Tensors& in, const Values& y, const Values& dy) {
                           const Values lse(T * H), again(T * H * D);
                           forward(device, in, again, lse);
                           Tensors gradients = {Values(T * H * D), Values(static_cast<size_t>(T * K * D)),
                                                Values(static_cast<size_t>(T * K * D))};
                           run(device, PackedAttentionBackward{.q = view(in[0], {T, H, D}),
                                                               .k = view(in[1], {T, K, D}),
                                                               .v = view(in[2], {T, K, D}),
                                                               .starts = view(starts),
                                                               .y = view(y, {T, H, D}),
                                                               .lse = view(lse, {T, H}),
                                                               .dy = view(dy, {T, H, D}),
                                                               .dq = view(gradients[0], {T, H, D}),
                                                               .dk = view(gradients[1], {T, K, D}),
                                                               .dv = view(gradients[2], {T, K, D})});
                           return gradients;
                         }});
  }
}

TEST(Gradient, CrossEntropy) {
  constexpr int64_t T = 4, V = 7, C = 3;
  const std::vector<int32_t> targets = {6, 0, 2, 2};
  check_gradients({.input_sizes = {T * C, V * C},
                   .forward =
                       [&](Reference& device, const Tensors& in) {
                         Values logp(T);
                         run(device, TargetLogProbs{.hidden = view(in[0], {T, C}),
                                                    .head = plain(in[1], {V, C}),
                                                    .targets = view(targets),
                                                    .logp = view(logp, {T})});
                         return logp;
                       },
                   .backward =
                       [&](Reference& device, const Tensors& in, const Values& logp, const Values& dlogp) {
                         Values dhidden(T * C), dhead(V * C, 0.5), coefficients, again(T);
                         for (const double value : dlogp) coefficients.push_back(-value);
                         run(device, CrossEntropyBackward{.hidden = view(in[0], {T, C}),
                                                          .head = plain(in[1], {V, C}),
                                                          .targets = view(targets),
                                                          .coefficients = view(coefficients, {T}),
                                                          .dhidden = view(dhidden, {T, C}),
                                                          .dhead = view(dhead, {V, C}),
                                                          .logp = view(again, {T})});
                         EXPECT_EQ(again, logp);
                         for (double& value : dhead) value -= 0.5;
                         return Tensors{dhidden, dhead};
                       }});
}

}  // namespace
}  // namespace poro
