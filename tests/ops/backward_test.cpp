// Every backward op of the CPU against the reference: all instruction sets, odd sizes, and the same bits on
// any threads.
#include <optional>
#include <string>

#include "ops/attention.h"
#include "ops/cross_entropy.h"
#include "ops/embed.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "ops/swiglu.h"
#include "tests/ops/op_cases.h"
#include "tests/ops/row_cases.h"

namespace poro {
namespace {

// float32 sums of a few thousand terms near 1.
constexpr double kTolerance = 1e-5;
// Operands rounded to bf16 are off by up to 2^-9 each, their sums by less.
constexpr double kBf16Tolerance = 6e-3;

Matrix plain(const Tensor& values) {
  return {.values = values, .quantization = {}};
}

// Outputs of one run each; what a run on another number of threads gives must be the same bits within an
// instruction set.
class SameBits {
 public:
  void check(Isa isa, const Tensor& result) {
    const std::string bits(reinterpret_cast<const char*>(result.data), result.bytes());
    if (isa != isa_) isa_ = isa, first_ = bits;
    EXPECT_TRUE(bits == first_) << "the number of threads changes the result";
  }

 private:
  std::optional<Isa> isa_;
  std::string first_;
};

TEST(LinearInputGradient, EqualsTheReference) {
  for (const ProductCase& c : kProductCases) {
    SCOPED_TRACE(testing::Message() << c.tokens << " x " << c.inputs << " x " << c.outputs << " "
                                    << dtype_name(c.weights));
    const Guarded dy = random_tensor(DType::kF32, {c.tokens, c.outputs}, 1),
                  w = random_tensor(c.weights, {c.outputs, c.inputs}, 2);
    const Guarded residual = random_tensor(DType::kF32, {c.tokens, c.inputs}, 3),
                  expected(DType::kF64, {c.tokens, c.inputs});
    Reference reference;
    run(reference, LinearInputGradient{.dy = dy, .w = plain(w), .dx = expected, .residual = residual});
    SameBits bits;
    on_every_cpu([&](Cpu& cpu) {
      const Guarded dx(DType::kF32, {c.tokens, c.inputs}), in_place = copy_as(DType::kF32, residual);
      run(cpu, LinearInputGradient{.dy = dy, .w = plain(w), .dx = dx, .residual = residual});
      expect_close(dx, expected, c.weights == DType::kBF16 ? kBf16Tolerance : kTolerance);
      run(cpu, LinearInputGradient{.dy = dy, .w = plain(w), .dx = in_place, .residual = in_place});
      EXPECT_TRUE(equal_bits(dx, in_place));
      bits.check(cpu.isa, dx);
    });
  }
}

TEST(LinearWeightGradient, EqualsTheReference) {
  for (const ProductCase& c : kProductCases) {
    const DType operands = c.weights == DType::kBF16 ? DType::kBF16 : DType::kF32;
    SCOPED_TRACE(testing::Message() << c.tokens << " x " << c.inputs << " x " << c.outputs << " "
                                    << dtype_name(operands));
    const Guarded dy = random_tensor(DType::kF32, {c.tokens, c.outputs}, 1),
                  x = random_tensor(DType::kF32, {c.tokens, c.inputs}, 2);
    const Guarded before = random_tensor(DType::kF32, {c.outputs, c.inputs}, 3),
                  expected = copy_as(DType::kF64, before);
    Reference reference;
    run(reference, LinearWeightGradient{.dy = dy, .x = x, .dw = expected, .operands = operands});
    SameBits bits;
    on_every_cpu([&](Cpu& cpu) {
      const Guarded dw = copy_as(DType::kF32, before);
      run(cpu, LinearWeightGradient{.dy = dy, .x = x, .dw = dw, .operands = operands});
      expect_close(dw, expected, operands == DType::kBF16 ? kBf16Tolerance : kTolerance);
      bits.check(cpu.isa, dw);
    });
  }
}

TEST(RmsNormBackward, EqualsTheReference) {
  for (const auto& [tokens, width] : kNormBackwardCases) {
    SCOPED_TRACE(testing::Message() << tokens << " x " << width);
    const Guarded x = random_tensor(DType::kF32, {tokens, width}, 1),
                  w = random_tensor(DType::kBF16, {width}, 2);
    const Guarded dy = random_tensor(DType::kF32, {tokens, width}, 3), y(DType::kF32, {tokens, width}),
                  rstd(DType::kF32, {tokens});
    const Guarded dx_before = random_tensor(DType::kF32, {tokens, width}, 4),
                  dw_before = random_tensor(DType::kF32, {width}, 5);
    const Guarded want_dx = copy_as(DType::kF64, dx_before), want_dw = copy_as(DType::kF64, dw_before);
    Cpu one(1);
    run(one, RmsNorm{.x = x, .w = w, .y = y, .rstd = rstd});
    Reference reference;
    run(reference, RmsNormBackward{.x = x, .w = w, .rstd = rstd, .dy = dy, .dx = want_dx, .dw = want_dw});
    SameBits dx_bits, dw_bits;
    on_every_cpu([&](Cpu& cpu) {
      const Guarded dx = copy_as(DType::kF32, dx_before), dw = copy_as(DType::kF32, dw_before);
      run(cpu, RmsNormBackward{.x = x, .w = w, .rstd = rstd, .dy = dy, .dx = dx, .dw = dw});
      expect_close(dx, want_dx, kTolerance);
      expect_close(dw, want_dw, kTolerance);
      dx_bits.check(cpu.isa, dx);
      dw_bits.check(cpu.isa, dw);
    });
  }
}

TEST(SwiGluBackward, EqualsTheReference) {
  for (const int64_t count : {1, 16, 33, 9000}) {
    const Guarded gate = random_tensor(DType::kF32, {1, count}, 1, 4),
                  up = random_tensor(DType::kF32, {1, count}, 2);
    const Guarded dy = random_tensor(DType::kF32, {1, count}, 3), want_gate(DType::kF64, {1, count}),
                  want_up(DType::kF64, {1, count});
    Reference reference;
    run(reference, SwiGluBackward{.gate = gate, .up = up, .dy = dy, .dgate = want_gate, .dup = want_up});
    on_every_cpu([&](Cpu& cpu) {
      const Guarded dgate = copy_as(DType::kF32, gate), dup = copy_as(DType::kF32, up);
      run(cpu, SwiGluBackward{.gate = dgate, .up = dup, .dy = dy, .dgate = dgate, .dup = dup});
      expect_close(dgate, want_gate, kTolerance);
      expect_close(dup, want_up, kTolerance);
    });
  }
}

TEST(EmbedBackward, AddsOnlyTheRowsThatAreHere) {
  const Guarded dy = random_tensor(DType::kF32, {6, 20}, 1);
  const Guarded ids = ints({12, 10, 12, 3, 14, 15});
  const Guarded want(DType::kF64, {5, 20});
  std::memset(want.tensor().data, 0, want.tensor().bytes());
  Reference reference;
  run(reference, EmbedBackward{.ids = ids, .dy = dy, .dtable = want, .first_id = 10});
  EXPECT_NEAR(load_element(want, 2 * 20), load_element(dy, 0) + load_element(dy, 2 * 20), 1e-12);
  on_every_cpu([&](Cpu& cpu) {
    const Guarded dtable(DType::kF32, {5, 20});
    std::memset(dtable.tensor().data, 0, dtable.tensor().bytes());
    run(cpu, EmbedBackward{.ids = ids, .dy = dy, .dtable = dtable, .first_id = 10});
    expect_close(dtable, want, kTolerance);
  });
}

struct AttentionCase {
  int64_t tokens, heads, kv_heads, head_dim;
  std::vector<int32_t> documents;  // Lengths; what is left is one more.
};

// Operands that are bf16 already leave the rounding of p and ds.
void expect_the_reference(const AttentionCase& c, DType operands) {
  SCOPED_TRACE(testing::Message() << c.tokens << " tokens, " << c.heads << ":" << c.kv_heads << " heads of "
                                  << c.head_dim << ", " << dtype_name(operands));
  std::vector<int32_t> starts;
  for (const int32_t length : c.documents)
    starts.insert(starts.end(), static_cast<size_t>(length), static_cast<int32_t>(starts.size()));
  starts.resize(static_cast<size_t>(c.tokens), static_cast<int32_t>(starts.size()));
  const Guarded at = ints(starts);
  const Shape query = {c.tokens, c.heads, c.head_dim}, key = {c.tokens, c.kv_heads, c.head_dim};
  const auto random = [&](const Shape& shape, uint64_t seed) {
    return representable(operands, random_tensor(DType::kF32, shape, seed));
  };
  const Guarded q = random(query, 1), k = random(key, 2), v = random(key, 3), dy = random(query, 4);
  const Guarded y(DType::kF32, query), lse(DType::kF32, {c.tokens, c.heads});
  Cpu one(1);
  run(one, PackedAttention{.q = q, .k = k, .v = v, .starts = at, .y = y, .lse = lse});
  const auto op = [&](const Tensor& dq, const Tensor& dk, const Tensor& dv) {
    return PackedAttentionBackward{.q = q,
                                   .k = k,
                                   .v = v,
                                   .starts = at,
                                   .y = y,
                                   .lse = lse,
                                   .dy = dy,
                                   .dq = dq,
                                   .dk = dk,
                                   .dv = dv,
                                   .operands = operands};
  };
  const Guarded want_dq(DType::kF64, query), want_dk(DType::kF64, key), want_dv(DType::kF64, key);
  Reference reference;
  run(reference, op(want_dq, want_dk, want_dv));
  SameBits bits, query_bits;
  on_every_cpu([&](Cpu& cpu) {
    const Guarded dq(DType::kF32, query), dk(DType::kF32, key), dv(DType::kF32, key);
    run(cpu, op(dq, dk, dv));
    const double tolerance = operands == DType::kBF16 ? kBf16Tolerance : kTolerance;
    if (c.tokens > 1) {
      expect_close(dq, want_dq, tolerance);
      expect_close(dk, want_dk, tolerance);
    } else {  // One weight of 1, whatever the scores: zero, but for the rounding of delta.
      for (int64_t i = 0; i < dq.tensor().elements(); ++i) EXPECT_NEAR(load_element(dq, i), 0, kTolerance);
      for (int64_t i = 0; i < dk.tensor().elements(); ++i) EXPECT_NEAR(load_element(dk, i), 0, kTolerance);
    }
    expect_close(dv, want_dv, tolerance);
    bits.check(cpu.isa, dk);
    query_bits.check(cpu.isa, dq);
  });
}

TEST(PackedAttentionBackward, EqualsTheReference) {
  const std::vector<AttentionCase> cases = {
      {2, 2, 1, 8, {}},           {70, 4, 2, 16, {}},          {64, 8, 8, 32, {64}},
      {200, 6, 2, 24, {5, 90}},   {131, 3, 1, 64, {1, 1, 64}}, {150, 8, 4, 128, {100}},
      {1, 4, 2, 64, {}},          {600, 4, 2, 64, {290, 1}},   {300, 5, 1, 96, {}},
      {530, 8, 1, 64, {257, 31}}, {40, 2, 2, 128, {1, 30, 1}}, {700, 1, 1, 32, {}}};
  for (const AttentionCase& c : cases)
    for (const DType operands : {DType::kF32, DType::kBF16}) expect_the_reference(c, operands);
}

TEST(CrossEntropyBackward, EqualsTheReferenceAndLeavesOutRowsThatDoNotCount) {
  for (const HeadCase& c : kHeadCases) {
    SCOPED_TRACE(testing::Message() << c.tokens << " x " << c.width << " x " << c.vocab);
    const Guarded hidden = random_tensor(DType::kF32, {c.tokens, c.width}, 1),
                  head = random_tensor(c.weights, {c.vocab, c.width}, 2, 0.3);
    std::vector<int32_t> ids;
    const Guarded coefficients = random_tensor(DType::kF64, {c.tokens}, 3);
    for (int64_t t = 0; t < c.tokens; ++t) {
      ids.push_back(static_cast<int32_t>(t * 37 % c.vocab));
      if (t % 3 == 2) store_element(coefficients, t, 0), ids.back() = -1;
    }
    const Guarded targets = ints(ids), want_dx(DType::kF64, {c.tokens, c.width}),
                  want_logp(DType::kF64, {c.tokens});
    const Guarded before = random_tensor(DType::kF32, {c.vocab, c.width}, 4),
                  want_dhead = copy_as(DType::kF64, before);
    const Guarded want_alone(DType::kF64, {c.tokens});
    Reference reference;
    run(reference, CrossEntropyBackward{.hidden = hidden,
                                        .head = plain(head),
                                        .targets = targets,
                                        .coefficients = coefficients,
                                        .dhidden = want_dx,
                                        .dhead = want_dhead,
                                        .logp = want_logp});
    run(reference,
        TargetLogProbs{.hidden = hidden, .head = plain(head), .targets = targets, .logp = want_alone});
    EXPECT_TRUE(equal_bits(want_logp, want_alone));
    const double tolerance = c.weights == DType::kBF16 ? kBf16Tolerance : kTolerance;
    SameBits bits;
    on_every_cpu([&](Cpu& cpu) {
      const Guarded dx(DType::kF32, {c.tokens, c.width}), dhead = copy_as(DType::kF32, before),
                                                          logp(DType::kF64, {c.tokens});
      run(cpu, CrossEntropyBackward{.hidden = hidden,
                                    .head = plain(head),
                                    .targets = targets,
                                    .coefficients = coefficients,
                                    .dhidden = dx,
                                    .dhead = dhead,
                                    .logp = logp});
      expect_close(dx, want_dx, tolerance);
      expect_close(dhead, want_dhead, tolerance);
      expect_close(logp, want_logp, tolerance);
      const Guarded alone(DType::kF64, {c.tokens});
      run(cpu, TargetLogProbs{.hidden = hidden, .head = plain(head), .targets = targets, .logp = alone});
      EXPECT_TRUE(equal_bits(alone, logp));
      bits.check(cpu.isa, dhead);
    });
  }
}

// Two ranks with half of the head each give together what one gives with all of it.
TEST(CrossEntropyBackward, OfTwoHalvesOfTheHeadIsThatOfTheWhole) {
  constexpr int64_t kTokens = 20, kWidth = 24, kVocab = 60;
  const Guarded hidden = random_tensor(DType::kF32, {kTokens, kWidth}, 1),
                head = random_tensor(DType::kF32, {kVocab, kWidth}, 2);
  std::vector<int32_t> ids;
  for (int32_t t = 0; t < kTokens; ++t) ids.push_back(t * 7 % kVocab);
  const Guarded targets = ints(ids), coefficients = random_tensor(DType::kF64, {kTokens}, 3);
  const Guarded want_dx(DType::kF64, {kTokens, kWidth}), want_logp(DType::kF64, {kTokens}),
      want_dhead(DType::kF64, {kVocab, kWidth});
  std::memset(want_dhead.tensor().data, 0, want_dhead.tensor().bytes());
  Reference reference;
  run(reference, CrossEntropyBackward{.hidden = hidden,
                                      .head = plain(head),
                                      .targets = targets,
                                      .coefficients = coefficients,
                                      .dhidden = want_dx,
                                      .dhead = want_dhead,
                                      .logp = want_logp});
  on_every_cpu([&](Cpu& cpu) {
    const Guarded logits(DType::kF64, {2, kTokens}), lse(DType::kF64, {2, kTokens}),
        all(DType::kF64, {kTokens}), logp(DType::kF64, {kTokens});
    const Guarded parts(DType::kF32, {2 * kTokens, kWidth}), dhead(DType::kF32, {kVocab, kWidth}),
        dx(DType::kF32, {kTokens, kWidth});
    std::memset(dhead.tensor().data, 0, dhead.tensor().bytes());
    const auto half = [&](const Tensor& tensor, int64_t i) {
      return tensor.rows(i * tensor.dim(0) / 2, tensor.dim(0) / 2);
    };
    for (int64_t i = 0; i < 2; ++i)
      run(cpu, TargetLogProbs{.hidden = hidden,
                              .head = plain(half(head, i)),
                              .targets = targets,
                              .logp = half(logits, i).reshaped({kTokens}),
                              .first_id = i * kVocab / 2,
                              .lse = half(lse, i).reshaped({kTokens})});
    for (int64_t t = 0; t < kTokens; ++t) {
      store_element(all, t,
                    std::log(std::exp(load_element(lse, t)) + std::exp(load_element(lse, kTokens + t))));
      store_element(logp, t,
                    load_element(logits, t) + load_element(logits, kTokens + t) - load_element(all, t));
    }
    expect_close(logp, want_logp, kTolerance);
    for (int64_t i = 0; i < 2; ++i)
      run(cpu, CrossEntropyBackward{.hidden = hidden,
                                    .head = plain(half(head, i)),
                                    .targets = targets,
                                    .coefficients = coefficients,
                                    .dhidden = half(parts, i),
                                    .dhead = half(dhead, i),
                                    .logp = {},
                                    .first_id = i * kVocab / 2,
                                    .lse = all});
    for (int64_t i = 0; i < kTokens * kWidth; ++i)
      store_element(dx, i, load_element(parts, i) + load_element(parts, kTokens * kWidth + i));
    expect_close(dx, want_dx, kTolerance);
    expect_close(dhead, want_dhead, kTolerance);
  });
}

}  // namespace
}  // namespace poro
