#include "ops/embed.h"

#include "tests/ops/op_cases.h"

namespace poro {
namespace {

TEST(Embed, CopiesRowsExactly) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int64_t width : {1, 37, 64, 2048}) {
      SCOPED_TRACE(testing::Message() << dtype_name(dtype) << ", width " << width);
      const Guarded table = random_tensor(dtype, {11, width}, 1), ids = ints({10, 0, 3, 3, 7});
      const Guarded expected(DType::kF32, {5, width});
      Reference reference;
      run(reference, Embed{.ids = ids, .table = table, .y = expected});
      on_every_cpu([&](Cpu& cpu) {
        const Guarded y(DType::kF32, {5, width});
        run(cpu, Embed{.ids = ids, .table = table, .y = y});
        EXPECT_TRUE(equal_bits(y, expected));
      });
    }
  }
}

// Every 16-bit pattern widens to the number it stands for, subnormals, infinities and NaN included.
TEST(Embed, WidensEvery16BitPattern) {
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    const Guarded table(dtype, {1, 65536}), ids = ints({0}), expected(DType::kF32, {1, 65536});
    for (int i = 0; i < 65536; ++i)
      reinterpret_cast<uint16_t*>(table.tensor().data)[i] = static_cast<uint16_t>(i);
    Reference reference;
    run(reference, Embed{.ids = ids, .table = table, .y = expected});
    on_every_cpu([&](Cpu& cpu) {
      const Guarded y(DType::kF32, {1, 65536});
      run(cpu, Embed{.ids = ids, .table = table, .y = y});
      for (int i = 0; i < 65536; ++i) {
        const float got = y.tensor().as<float>()[i], want = expected.tensor().as<float>()[i];
        if (std::isnan(want))
          ASSERT_TRUE(std::isnan(got)) << i;
        else
          ASSERT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(want))
              << dtype_name(dtype) << " pattern " << i;
      }
    });
  }
}

}  // namespace
}  // namespace poro
