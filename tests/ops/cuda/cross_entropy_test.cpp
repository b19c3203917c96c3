#include "ops/cross_entropy.h"

#include "tests/ops/cuda/on_gpu.h"
#include "tests/ops/row_cases.h"

namespace poro {
namespace {

using CudaCrossEntropy = OnGpu;

struct Head {
  Guarded hidden, head, targets, coefficients, dhead;
};

// Every third row does not count.
Head make_head(const HeadCase& c, DType activations, DType dhead) {
  std::vector<int32_t> ids;
  Guarded coefficients = random_tensor(DType::kF64, {c.tokens}, 3);
  for (int64_t t = 0; t < c.tokens; ++t) {
    ids.push_back(static_cast<int32_t>(t * 37 % c.vocab));
    if (t % 3 == 2) store_element(coefficients, t, 0), ids.back() = -1;
  }
  return {
      .hidden = random_tensor(activations, {c.tokens, c.width}, 1),
      .head = copy_as(c.weights, copy_as(activations, random_tensor(c.weights, {c.vocab, c.width}, 2, 0.3))),
      .targets = ints(ids),
      .coefficients = std::move(coefficients),
      .dhead = random_tensor(dhead, {c.vocab, c.width}, 4)};
}

void expect_cross_entropy(Device& device, const HeadCase& c, DType dhead_dtype) {
  const DType dtype = device.activation_dtype();
  SCOPED_TRACE(testing::Message() << c.tokens << " x " << c.width << " x " << c.vocab << " "
                                  << dtype_name(dtype) << " on " << dtype_name(c.weights) << ", dhead "
                                  << dtype_name(dhead_dtype));
  const Head h = make_head(c, dtype, dhead_dtype);
  const Guarded want_dx(DType::kF64, {c.tokens, c.width}), want_logp(DType::kF64, {c.tokens}),
      want_dhead = copy_as(DType::kF64, h.dhead);
  Reference reference;
  run(reference, CrossEntropyBackward{.hidden = h.hidden,
                                      .head = {.values = h.head},
                                      .targets = h.targets,
                                      .coefficients = h.coefficients,
                                      .dhidden = want_dx,
                                      .dhead = want_dhead,
                                      .logp = want_logp});
  const GpuTensor hidden(device, h.hidden), head(device, h.head), targets(device, h.targets),
      coefficients(device, h.coefficients);
  const GpuTensor dhead(device, h.dhead), dhead_again(device, h.dhead),
      dx(device, dtype, {c.tokens, c.width}), dx_again(device, dtype, {c.tokens, c.width});
  const GpuTensor logp(device, DType::kF64, {c.tokens}), alone(device, DType::kF64, {c.tokens});
  CrossEntropyBackward op{.hidden = hidden,
                          .head = {.values = head},
                          .targets = targets,
                          .coefficients = coefficients,
                          .dhidden = dx,
                          .dhead = dhead,
                          .logp = logp};
  run(device, op);
  // Gradients of logits are rounded to the activations' type, each by up to half a step, before two products;
  // then the results are.
  const double rounding = dtype == DType::kBF16 ? 0x1p-8 : 0;
  expect_close(dx.fetch(), want_dx, rounding + tolerance_of(dtype, 1e-5));
  expect_close(dhead.fetch(), want_dhead, rounding + tolerance_of(dhead_dtype, 1e-5));
  expect_close(logp.fetch(), want_logp, 1e-6);
  run(device, TargetLogProbs{.hidden = hidden, .head = {.values = head}, .targets = targets, .logp = alone});
  EXPECT_TRUE(equal_bits(alone.fetch(), logp.fetch()));
  op.dhidden = dx_again, op.dhead = dhead_again, op.logp = {};
  run(device, op);
  EXPECT_TRUE(equal_bits(dx.fetch(), dx_again.fetch()) && equal_bits(dhead.fetch(), dhead_again.fetch()));
}

TEST_F(CudaCrossEntropy, EqualsTheReferenceAndLeavesOutRowsThatDoNotCount) {
  for (const DType dtype : kActivations) {
    for (const HeadCase& c : kHeadCases) expect_cross_entropy(gpu(dtype), c, DType::kF32);
    for (const HeadCase& c : {HeadCase{130, 64, 10000, DType::kBF16}, {50, 32, 20001, DType::kBF16}})
      expect_cross_entropy(gpu(dtype), c, dtype);
  }
}

// The vocabulary of Llama 3 in several chunks of rows: the second has the bits that its rows have alone.
TEST_F(CudaCrossEntropy, InSeveralChunksIsThatOfEach) {
  constexpr int64_t kTokens = 1200, kWidth = 16, kVocab = 128256;
  Device& device = gpu(DType::kBF16);
  const Head h = make_head({kTokens, kWidth, kVocab, DType::kBF16}, DType::kBF16, DType::kF32);
  const GpuTensor hidden(device, h.hidden), head(device, h.head), targets(device, h.targets),
      coefficients(device, h.coefficients);
  const GpuTensor dhead(device, h.dhead), dx(device, DType::kBF16, {kTokens, kWidth}),
      logp(device, DType::kF32, {kTokens});
  run(device, CrossEntropyBackward{.hidden = hidden,
                                   .head = {.values = head},
                                   .targets = targets,
                                   .coefficients = coefficients,
                                   .dhidden = dx,
                                   .dhead = dhead,
                                   .logp = logp});
  const Guarded got_dx = dx.fetch(), got_logp = logp.fetch(), got_dhead = dhead.fetch();
  Guarded want_dhead = copy_as(DType::kF64, h.dhead);
  for (const int64_t t : {int64_t{0}, int64_t{1023}, int64_t{1024}, kTokens - 1}) {
    const Guarded want_dx(DType::kF64, {1, kWidth}), want_logp(DType::kF64, {1}),
        unused = copy_as(DType::kF64, h.dhead);
    Reference reference;
    run(reference, CrossEntropyBackward{.hidden = h.hidden.tensor().rows(t, 1),
                                        .head = {.values = h.head},
                                        .targets = h.targets.tensor().rows(t, 1),
                                        .coefficients = h.coefficients.tensor().rows(t, 1),
                                        .dhidden = want_dx,
                                        .dhead = unused,
                                        .logp = want_logp});
    expect_close(got_dx.tensor().rows(t, 1), want_dx, 0x1p-7);
    EXPECT_NEAR(load_element(got_logp, t), load_element(want_logp, 0),
                2e-6 * std::abs(load_element(want_logp, 0)));
  }
  // The target's row of the head got its share from both chunks: 1 of 3 tokens counts not, the softmax is all
  // but even.
  double got = 0, want = 0;
  for (int64_t t = 0; t < kTokens; ++t) {
    if (t % 3 == 2) continue;
    const int64_t row = t * 37 % kVocab * kWidth;
    got += load_element(got_dhead, row) - load_element(h.dhead, row);
    want -= load_element(h.coefficients, t) * load_element(h.hidden, t * kWidth);
  }
  EXPECT_NEAR(got, want, 0.02 * std::abs(want) + 0.5);
}

// Two ranks with half of the head each give together what one gives with all of it.
TEST_F(CudaCrossEntropy, OfTwoHalvesOfTheHeadIsThatOfTheWhole) {
  constexpr int64_t kTokens = 20, kWidth = 24, kVocab = 64;
  Device& device = gpu(DType::kF32);
  const Guarded hidden = random_tensor(DType::kF32, {kTokens, kWidth}, 1),
                head = random_tensor(DType::kF32, {kVocab, kWidth}, 2);
  std::vector<int32_t> ids;
  for (int32_t t = 0; t < kTokens; ++t) ids.push_back(t * 7 % kVocab);
  const Guarded targets = ints(ids), coefficients = random_tensor(DType::kF64, {kTokens}, 3),
                zeros = random_tensor(DType::kF32, {kVocab, kWidth}, 4, 0.0);
  const Guarded want_dx(DType::kF64, {kTokens, kWidth}), want_logp(DType::kF64, {kTokens}),
      want_dhead = copy_as(DType::kF64, zeros);
  Reference reference;
  run(reference, CrossEntropyBackward{.hidden = hidden,
                                      .head = {.values = head},
                                      .targets = targets,
                                      .coefficients = coefficients,
                                      .dhidden = want_dx,
                                      .dhead = want_dhead,
                                      .logp = want_logp});
  const GpuTensor gpu_hidden(device, hidden), gpu_head(device, head), gpu_targets(device, targets),
      gpu_coefficients(device, coefficients);
  const GpuTensor dhead(device, zeros);
  const auto half = [](const Tensor& tensor, int64_t i) {
    return tensor.rows(i * tensor.dim(0) / 2, tensor.dim(0) / 2);
  };
  std::vector<Guarded> logits, lse, parts;
  for (int64_t i = 0; i < 2; ++i) {
    const GpuTensor part_logits(device, DType::kF64, {kTokens}), part_lse(device, DType::kF64, {kTokens});
    run(device, TargetLogProbs{.hidden = gpu_hidden,
                               .head = {.values = half(gpu_head, i)},
                               .targets = gpu_targets,
                               .logp = part_logits,
                               .first_id = i * kVocab / 2,
                               .lse = part_lse});
    logits.push_back(part_logits.fetch()), lse.push_back(part_lse.fetch());
  }
  const Guarded all(DType::kF64, {kTokens}), logp(DType::kF64, {kTokens}), dx(DType::kF64, {kTokens, kWidth});
  for (int64_t t = 0; t < kTokens; ++t) {
    store_element(all, t, std::log(std::exp(load_element(lse[0], t)) + std::exp(load_element(lse[1], t))));
    store_element(logp, t, load_element(logits[0], t) + load_element(logits[1], t) - load_element(all, t));
  }
  expect_close(logp, want_logp, 1e-5);
  const GpuTensor gpu_all(device, all);
  for (int64_t i = 0; i < 2; ++i) {
    const GpuTensor part(device, DType::kF32, {kTokens, kWidth});
    run(device, CrossEntropyBackward{.hidden = gpu_hidden,
                                     .head = {.values = half(gpu_head, i)},
                                     .targets = gpu_targets,
                                     .coefficients = gpu_coefficients,
                                     .dhidden = part,
                                     .dhead = half(dhead, i),
                                     .logp = {},
                                     .first_id = i * kVocab / 2,
                                     .lse = gpu_all});
    parts.push_back(part.fetch());
  }
  for (int64_t i = 0; i < kTokens * kWidth; ++i)
    store_element(dx, i, load_element(parts[0], i) + load_element(parts[1], i));
  expect_close(dx, want_dx, 1e-5);
  expect_close(dhead.fetch(), want_dhead, 1e-5);
}

}  // namespace
}  // namespace poro
