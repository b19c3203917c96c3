// Products with floating weights; those with quantised ones are in quantize_test.cpp.
#include "ops/linear.h"

#include "tests/ops/op_cases.h"

namespace poro {
namespace {

enum class Residual { kNone, kApart, kInPlace };

struct Case {
  int64_t tokens, inputs, outputs;
  DType weights;
  Residual residual = Residual::kNone;
};

const Case kCases[] = {
    {1, 1, 1, DType::kF32},
    {1, 37, 5, DType::kF32, Residual::kApart},
    {1, 4096, 130, DType::kBF16},
    {2, 2049, 33, DType::kF16, Residual::kInPlace},
    {3, 100, 64, DType::kBF16, Residual::kApart},
    {7, 64, 31, DType::kF32, Residual::kInPlace},
    {8, 5000, 40, DType::kBF16},
    {9, 96, 97, DType::kBF16, Residual::kInPlace},
    {17, 2100, 65, DType::kBF16, Residual::kApart},
    {17, 31, 19, DType::kF16},
    {33, 4100, 50, DType::kF32, Residual::kApart},
    {130, 160, 70, DType::kF16, Residual::kInPlace},
    {100, 1100, 256, DType::kBF16},
    {300, 1056, 100, DType::kBF16, Residual::kInPlace},
    {515, 70, 35, DType::kF32},
    {530, 129, 300, DType::kBF16},
};

// Products of f32 are exact to rounding. Those that round the activations to bf16 are off by 2^-9 each, which
// averages out over a sum of random terms.
double tolerance(const Case& c) {
  return c.weights == DType::kBF16 && c.tokens > 8 ? 4e-3 : 3e-6;
}

Guarded product(Cpu& cpu, const Case& c, const Tensor& x, const Tensor& w, const Tensor& residual) {
  Guarded y(DType::kF32, {c.tokens, c.outputs});
  if (c.residual == Residual::kInPlace) std::memcpy(y.tensor().data, residual.data, residual.bytes());
  const Tensor added = c.residual == Residual::kNone    ? Tensor{}
                       : c.residual == Residual::kApart ? residual
                                                        : y.tensor();
  run(cpu, Linear{.x = x, .w = {.values = w}, .y = y, .residual = added});
  return y;
}

TEST(Linear, EqualsTheReference) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(testing::Message() << c.tokens << " x " << c.inputs << " x " << c.outputs << " "
                                    << dtype_name(c.weights));
    const Guarded x = random_tensor(DType::kF32, {c.tokens, c.inputs}, 1);
    const Guarded w = random_tensor(c.weights, {c.outputs, c.inputs}, 2);
    const Guarded residual = random_tensor(DType::kF32, {c.tokens, c.outputs}, 3);
    const Guarded expected(DType::kF64, {c.tokens, c.outputs});
    Reference reference;
    run(reference, Linear{.x = x,
                          .w = {.values = w},
                          .y = expected,
                          .residual = c.residual == Residual::kNone ? Tensor{} : residual.tensor()});
    on_every_cpu([&](Cpu& cpu) {
      const Guarded y = product(cpu, c, x, w, residual);
      expect_close(y, expected, tolerance(c));
      Cpu alone(1, cpu.isa);
      EXPECT_TRUE(equal_bits(y, product(alone, c, x, w, residual))) << "depends on the number of threads";
    });
  }
}

// A token's result is the same beside any other tokens, as long as the same arithmetic is used: always for
// f32 and f16, for bf16 on either side of the few tokens that keep f32 activations.
TEST(Linear, DoesNotDependOnOtherTokens) {
  constexpr int64_t kInputs = 2304, kOutputs = 45, kTokens = 300;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    const Guarded x = random_tensor(DType::kF32, {kTokens, kInputs}, 1),
                  w = random_tensor(dtype, {kOutputs, kInputs}, 2);
    on_every_cpu([&](Cpu& cpu) {
      const Case all{kTokens, kInputs, kOutputs, dtype};
      const Guarded y = product(cpu, all, x, w, {});
      for (const int64_t count : {1, 2, 5, 8, 9, 31, 64, 150}) {
        if (dtype == DType::kBF16 && count <= 8) continue;
        const int64_t first = 40;
        const Guarded part =
            product(cpu, {count, kInputs, kOutputs, dtype}, x.tensor().rows(first, count), w, {});
        EXPECT_TRUE(equal_bits(part, y.tensor().rows(first, count)))
            << count << " tokens, " << dtype_name(dtype);
      }
      if (dtype == DType::kBF16) {
        const Guarded eight = product(cpu, {8, kInputs, kOutputs, dtype}, x.tensor().rows(0, 8), w, {});
        const Guarded one = product(cpu, {1, kInputs, kOutputs, dtype}, x.tensor().rows(3, 1), w, {});
        EXPECT_TRUE(equal_bits(one, eight.tensor().rows(3, 1)));
      }
    });
  }
}

}  // namespace
}  // namespace poro
