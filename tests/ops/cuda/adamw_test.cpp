#include "ops/adamw.h"

#include "ops/squared_norm.h"
#include "ops/stochastic_rounding.h"
#include "tests/ops/cuda/on_gpu.h"

namespace poro {
namespace {

using CudaAdamW = OnGpu;
using CudaSquaredNorm = OnGpu;

struct Types {
  DType weights, gradient, moments;
};

template <class Holder>
struct State {
  Holder weights, gradient, first, second, rounded;
};

State<Guarded> make_state(const Types& types, int64_t count) {
  const Guarded positive = random_tensor(DType::kF64, {count}, 4);
  for (int64_t i = 0; i < count; ++i) store_element(positive, i, std::abs(load_element(positive, i)));
  return {.weights = random_tensor(types.weights, {count}, 1),
          .gradient = random_tensor(types.gradient, {count}, 2),
          .first = copy_as(types.moments, random_tensor(DType::kBF16, {count}, 3)),
          .second = copy_as(types.moments, copy_as(DType::kBF16, positive)),
          .rounded = Guarded(DType::kBF16, {count})};
}

template <class Holder>
AdamW op_of(const State<Holder>& s) {
  return {.weights = s.weights,
          .gradient = s.gradient,
          .first = s.first,
          .second = s.second,
          .rounded = s.rounded,
          .gradient_scale = 0.5,
          .learning_rate = 1e-2,
          .beta1 = 0.9,
          .beta2 = 0.95,
          .eps = 1e-8,
          .weight_decay = 0.1,
          .step = 3,
          .seed = (uint64_t{7} << 40) + 42,
          .first_element = (int64_t{5} << 40) + 1000};
}

State<GpuTensor> on_gpu(Device& device, const State<Guarded>& s) {
  return {.weights = GpuTensor(device, s.weights),
          .gradient = GpuTensor(device, s.gradient),
          .first = GpuTensor(device, s.first),
          .second = GpuTensor(device, s.second),
          .rounded = GpuTensor(device, s.rounded)};
}

// f32 by a few roundings of values near 1. bf16 by the reference's own random words: the same number, but
// where f32 and f64 fall on two sides of the line, which is a step of bf16 for one element in thousands.
void expect_state(const Tensor& got, const Tensor& want) {
  int64_t differ = 0;
  for (int64_t i = 0; i < want.elements(); ++i) {
    const double a = load_element(got, i), b = load_element(want, i);
    ASSERT_NEAR(a, b, got.dtype == DType::kF32 ? 1e-6 : std::abs(b) * 0x1p-7 + 1e-6) << "element " << i;
    differ += a != b;
  }
  if (got.dtype == DType::kBF16) {
    EXPECT_LE(differ, 1 + want.elements() / 500);
  }
}

TEST_F(CudaAdamW, IsTheReference) {
  Device& device = gpu(DType::kBF16);
  for (const Types& types : {Types{DType::kF32, DType::kF32, DType::kF32},
                             {DType::kF32, DType::kF32, DType::kBF16},
                             {DType::kF32, DType::kBF16, DType::kF32},
                             {DType::kF32, DType::kBF16, DType::kBF16},
                             {DType::kBF16, DType::kBF16, DType::kBF16},
                             {DType::kBF16, DType::kF32, DType::kBF16}})
    for (const int64_t count : {1, 10007, 65536}) {
      SCOPED_TRACE(testing::Message() << count << " of " << dtype_name(types.weights) << ", "
                                      << dtype_name(types.gradient) << ", " << dtype_name(types.moments));
      const State<Guarded> given = make_state(types, count);
      const auto wide = [](const Tensor& tensor) {
        return copy_as(tensor.dtype == DType::kF32 ? DType::kF64 : DType::kBF16, tensor);
      };
      const State<Guarded> want = {.weights = wide(given.weights),
                                   .gradient = wide(given.gradient),
                                   .first = wide(given.first),
                                   .second = wide(given.second),
                                   .rounded = Guarded(DType::kBF16, {count})};
      Reference reference;
      run(reference, op_of(want));
      const State<GpuTensor> got = on_gpu(device, given), again = on_gpu(device, given);
      run(device, op_of(got));
      run(device, op_of(again));
      const Guarded weights = got.weights.fetch(), rounded = got.rounded.fetch();
      expect_state(weights, want.weights);
      expect_state(got.first.fetch(), want.first);
      expect_state(got.second.fetch(), want.second);
      for (int64_t i = 0; i < count; ++i)
        ASSERT_EQ(
            load_element(rounded, i),
            static_cast<double>(static_cast<float>(BFloat16(static_cast<float>(load_element(weights, i))))));
      EXPECT_TRUE(equal_bits(weights, again.weights.fetch()) &&
                  equal_bits(got.first.fetch(), again.first.fetch()) &&
                  equal_bits(got.second.fetch(), again.second.fetch()));
    }
}

// A bf16 weight moves on average by steps far below its own resolution.
TEST_F(CudaAdamW, DoesNotLoseSmallSteps) {
  constexpr int64_t kCount = 100000;
  Device& device = gpu(DType::kBF16);
  State<Guarded> given = make_state({DType::kBF16, DType::kBF16, DType::kBF16}, kCount);
  for (int64_t i = 0; i < kCount; ++i) {
    store_element(given.weights, i, 1.0), store_element(given.gradient, i, 1.0);
    store_element(given.first, i, 0), store_element(given.second, i, 0);
  }
  const State<GpuTensor> got = on_gpu(device, given);
  AdamW op = op_of(got);
  op.learning_rate = 1e-5, op.weight_decay = 0, op.step = 1, op.rounded = {};
  run(device, op);
  const Guarded weights = got.weights.fetch();
  double sum = 0;
  for (int64_t i = 0; i < kCount; ++i) sum += load_element(weights, i);
  // The step below 1 is 2^-8, and one weight in 390 takes it: four standard deviations of the mean.
  EXPECT_NEAR(sum / kCount, 1.0 - 1e-5, 4 * std::sqrt(1e-5 * 0x1p-8 / kCount));
}

TEST_F(CudaSquaredNorm, IsTheReference) {
  Device& device = gpu(DType::kBF16);
  for (const DType dtype : kActivations)
    for (const int64_t count : {int64_t{1}, int64_t{7}, int64_t{65536}, int64_t{200001}, int64_t{9000000}}) {
      const Guarded x = random_tensor(dtype, {count}, 5), want(DType::kF64, {1});
      Reference reference;
      run(reference, SquaredNorm{.x = x, .sum = want});
      const GpuTensor gpu_x(device, x), sum(device, DType::kF64, {1}), again(device, DType::kF64, {1});
      run(device, SquaredNorm{.x = gpu_x, .sum = sum});
      run(device, SquaredNorm{.x = gpu_x, .sum = again});
      EXPECT_NEAR(load_element(sum.fetch(), 0), load_element(want, 0), 1e-12 * load_element(want, 0))
          << count << " " << dtype_name(dtype);
      EXPECT_TRUE(equal_bits(sum.fetch(), again.fetch()));
    }
}

}  // namespace
}  // namespace poro
