#include "ops/norm.h"

#include "tests/ops/op_cases.h"
#include "tests/ops/row_cases.h"

namespace poro {
namespace {

TEST(RmsNorm, EqualsTheReference) {
  for (const NormCase& c : kNormCases) {
    SCOPED_TRACE(testing::Message() << c.tokens << " x " << c.width);
    const Guarded x = random_tensor(DType::kF32, {c.tokens, c.width}, 1),
                  w = random_tensor(c.weights, {c.width}, 2);
    const Guarded expected(DType::kF64, {c.tokens, c.width}), expected_rstd(DType::kF64, {c.tokens});
    Reference reference;
    run(reference, RmsNorm{.x = x, .w = w, .y = expected, .rstd = expected_rstd});
    on_every_cpu([&](Cpu& cpu) {
      const Guarded y(DType::kF32, {c.tokens, c.width}), rstd(DType::kF32, {c.tokens});
      run(cpu, RmsNorm{.x = x, .w = w, .y = y, .rstd = rstd});
      expect_close(y, expected, 1e-6);
      expect_close(rstd, expected_rstd, 1e-6);
      const Guarded again(DType::kF32, {c.tokens, c.width});
      run(cpu, RmsNorm{.x = x, .w = w, .y = again, .rstd = {}});
      EXPECT_TRUE(equal_bits(y, again));
    });
  }
}

TEST(RmsNorm, KeepsTinyAndHugeRowsFinite) {
  for (const double size : {1e-18, 1e15}) {
    const Guarded x = random_tensor(DType::kF32, {2, 100}, 3, size), w = random_tensor(DType::kF32, {100}, 4);
    const Guarded expected(DType::kF64, {2, 100});
    Reference reference;
    run(reference, RmsNorm{.x = x, .w = w, .y = expected, .rstd = {}});
    on_every_cpu([&](Cpu& cpu) {
      const Guarded y(DType::kF32, {2, 100});
      run(cpu, RmsNorm{.x = x, .w = w, .y = y, .rstd = {}});
      expect_close(y, expected, 1e-6);
    });
  }
}

}  // namespace
}  // namespace poro
