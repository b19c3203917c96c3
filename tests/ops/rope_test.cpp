#include "ops/rope.h"

#include "tests/ops/op_cases.h"
#include "tests/ops/row_cases.h"

namespace poro {
namespace {

TEST(Rope, EqualsTheReference) {
  for (const RopeCase& c : kRopeCases) {
    SCOPED_TRACE(testing::Message() << c.tokens << " x " << c.heads << " x " << c.head_dim);
    const Guarded x = random_tensor(DType::kF32, {c.tokens, c.heads, c.head_dim}, 1);
    std::vector<int32_t> places;
    for (int64_t t = 0; t < c.tokens; ++t) places.push_back(static_cast<int32_t>(t * t * 977 % 131072));
    places.back() = 131071;  // The last position of a long context turns furthest.
    const Guarded positions = ints(places), frequencies(DType::kF64, {c.head_dim / 2});
    for (int64_t i = 0; i < c.head_dim / 2; ++i)
      frequencies.tensor().as<double>()[i] =
          std::pow(500000.0, -2.0 * static_cast<double>(i) / static_cast<double>(c.head_dim));
    const Guarded expected = copy_as(DType::kF64, x);
    Reference reference;
    run(reference, Rope{.x = expected, .positions = positions, .frequencies = frequencies});
    on_every_cpu([&](Cpu& cpu) {
      const Guarded y = copy_as(DType::kF32, x);
      run(cpu, Rope{.x = y, .positions = positions, .frequencies = frequencies});
      expect_close(y, expected, 3e-7);
    });
  }
}

}  // namespace
}  // namespace poro
