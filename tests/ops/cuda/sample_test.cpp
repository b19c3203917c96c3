#include "ops/sample.h"

#include "tests/ops/cuda/on_gpu.h"
#include "tests/ops/top_logits_cases.h"

namespace poro {
namespace {

class GpuSample : public OnGpu {};

TEST_F(GpuSample, ArgmaxEqualsTheReference) {
  Device& device = gpu(DType::kBF16);
  for (const DType dtype : {DType::kF32, DType::kBF16})
    for (const int64_t vocab : {1, 31, 1003, 128256}) {
      // Rounded to bf16, the highest of many values is there several times.
      const Guarded logits =
          copy_as(dtype, random_tensor(DType::kBF16, {6, vocab}, static_cast<uint64_t>(vocab)));
      if (vocab > 1000) {
        store_element(logits, 2 * vocab + 700, std::numeric_limits<double>::quiet_NaN());
        for (int64_t id = 0; id < vocab; ++id) store_element(logits, 3 * vocab + id, -0.0);
        store_element(logits, 3 * vocab + 5, 0.0);
        for (int64_t id = 0; id < vocab; ++id)
          store_element(logits, 4 * vocab + id, -std::numeric_limits<double>::infinity());
        for (int64_t id = 0; id < vocab; ++id)
          store_element(logits, 5 * vocab + id, id == vocab - 1 ? -2.0 : -3.0);
      }
      const Guarded expected(DType::kI32, {6});
      Reference reference;
      run(reference, Argmax{.logits = logits, .ids = expected});
      const GpuTensor gpu_logits(device, logits), ids(device, DType::kI32, {6}), highest(device, dtype, {6});
      run(device, Argmax{.logits = gpu_logits, .ids = ids, .highest = highest});
      EXPECT_TRUE(equal_bits(ids.fetch(), expected)) << vocab << ' ' << dtype_name(dtype);
      const Guarded there = highest.fetch();
      for (int64_t t = 0; t < 6; ++t) {
        const int32_t id = expected.tensor().as<int32_t>()[t];
        if (id >= 0) {
          EXPECT_EQ(load_element(there, t), load_element(logits, t * vocab + id));
        }
      }
    }
}

TEST_F(GpuSample, TopLogitsAreAllThatReachABound) {
  Device& device = gpu(DType::kBF16);
  for (const int64_t vocab : {3, 64, 1003, 128256}) {
    SCOPED_TRACE(vocab);
    const Guarded logits = top_logits_rows(vocab), temperatures = top_temperatures();
    const GpuTensor there(device, logits), rates(device, temperatures), ids(device, DType::kI32, {6, 512}),
        values(device, DType::kF32, {6, 512}), counts(device, DType::kI32, {6}),
        totals(device, DType::kF64, {6});
    run(device, TopLogits{.logits = there,
                          .temperatures = rates,
                          .ids = ids,
                          .values = values,
                          .counts = counts,
                          .totals = totals});
    TopLogitsOut out(512);
    device.copy(ids, out.ids);
    device.copy(values, out.values);
    device.copy(counts, out.counts);
    device.copy(totals, out.totals);
    for (const GpuTensor* output : {&ids, &values, &counts, &totals}) output->fetch();
    expect_top_logits(logits, temperatures, out, vocab == 128256 ? 300 : 3);
  }
}

}  // namespace
}  // namespace poro
