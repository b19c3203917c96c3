#include "ops/swiglu.h"

#include "tests/ops/op_cases.h"
#include "tests/ops/row_cases.h"

namespace poro {
namespace {

TEST(SwiGlu, EqualsTheReference) {
  for (const auto& [tokens, width] : kGateCases) {
    SCOPED_TRACE(testing::Message() << tokens << " x " << width);
    const Guarded gate = random_tensor(DType::kF32, {tokens, width}, 1, 3.0),
                  up = random_tensor(DType::kF32, {tokens, width}, 2);
    const Guarded expected(DType::kF64, {tokens, width});
    Reference reference;
    run(reference, SwiGlu{.gate = gate, .up = up, .y = expected});
    on_every_cpu([&](Cpu& cpu) {
      const Guarded y(DType::kF32, {tokens, width});
      run(cpu, SwiGlu{.gate = gate, .up = up, .y = y});
      expect_close(y, expected, 1e-6);
      const Guarded in_place = copy_as(DType::kF32, gate);
      run(cpu, SwiGlu{.gate = in_place, .up = up, .y = in_place});
      EXPECT_TRUE(equal_bits(y, in_place));
    });
  }
}

// With up = 1 and the gate over the whole range of floats: each element on its own within 4 units in the last
// place, so this is the test of the kernels' exponential.
TEST(SwiGlu, IsExactOverTheRangeOfExp) {
  constexpr int64_t kCount = 20001;
  const Guarded gate(DType::kF32, {1, kCount}), up(DType::kF32, {1, kCount}),
      expected(DType::kF64, {1, kCount});
  for (int64_t i = 0; i < kCount; ++i) {
    gate.tensor().as<float>()[i] =
        static_cast<float>(static_cast<double>(i - kCount / 2) * 87.0 / (kCount / 2));
    up.tensor().as<float>()[i] = 1.0f;
  }
  Reference reference;
  run(reference, SwiGlu{.gate = gate, .up = up, .y = expected});
  on_every_cpu([&](Cpu& cpu) {
    const Guarded y(DType::kF32, {1, kCount});
    run(cpu, SwiGlu{.gate = gate, .up = up, .y = y});
    for (int64_t i = 0; i < kCount; ++i) {
      const double want = load_element(expected, i);
      ASSERT_LE(std::abs(load_element(y, i) - want), 4 * 1.2e-7 * std::abs(want) + 1e-36)
          << gate.tensor().as<float>()[i];
    }
  });
}

TEST(SwiGlu, PassesInfinityAndNan) {
  const float infinity = INFINITY;
  on_every_cpu([&](Cpu& cpu) {
    const Guarded gate(DType::kF32, {1, 4}), up(DType::kF32, {1, 4}), y(DType::kF32, {1, 4});
    const float gates[] = {infinity, 1000.0f, -1000.0f, NAN};
    std::copy(gates, gates + 4, gate.tensor().as<float>());
    std::fill_n(up.tensor().as<float>(), 4, 1.0f);
    run(cpu, SwiGlu{.gate = gate, .up = up, .y = y});
    EXPECT_EQ(y.tensor().as<float>()[0], infinity);
    EXPECT_EQ(y.tensor().as<float>()[1], 1000.0f);
    EXPECT_NEAR(y.tensor().as<float>()[2], 0.0f, 1e-30f);
    EXPECT_TRUE(std::isnan(y.tensor().as<float>()[3]));
  });
}

}  // namespace
}  // namespace poro
