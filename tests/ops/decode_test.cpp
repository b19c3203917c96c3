// The fused steps of decoding on the CPU against the reference.
#include "ops/decode.h"

#include "ops/quantize.h"
#include "tests/ops/op_cases.h"

namespace poro {
namespace {

TEST(Decode, NormQkvEqualsTheReference) {
  constexpr int64_t kTokens = 3, kWidth = 96, kHeads = 4, kKvHeads = 2, kDim = 16, kPages = 3, kPageSize = 4;
  const Guarded x = random_tensor(DType::kF32, {kTokens, kWidth}, 1),
                norm = random_tensor(DType::kF32, {kWidth}, 2);
  const Guarded q = random_tensor(DType::kBF16, {kHeads * kDim, kWidth}, 3),
                k = random_tensor(DType::kBF16, {kKvHeads * kDim, kWidth}, 4),
                v = random_tensor(DType::kF32, {kKvHeads * kDim, kWidth}, 5);
  const Guarded positions = ints({0, 1000, 7}), slots = ints({11, 0, 5}),
                frequencies(DType::kF64, {kDim / 2});
  for (int64_t i = 0; i < kDim / 2; ++i)
    store_element(frequencies, i, std::pow(1e4, -2.0 * static_cast<double>(i) / kDim));
  const Shape cache = {kPages, kKvHeads, kPageSize, kDim};
  const auto op_with = [&](const Tensor& input, const Tensor& queries, const Tensor& keys,
                           const Tensor& values) {
    return NormQkv{.x = input,
                   .norm = norm,
                   .q = {.values = q},
                   .k = {.values = k},
                   .v = {.values = v},
                   .positions = positions,
                   .frequencies = frequencies,
                   .slots = slots,
                   .queries = queries,
                   .keys = keys,
                   .values = values};
  };
  const auto zeros = [&](DType dtype) {
    Guarded tensor(dtype, cache);
    std::memset(tensor.tensor().data, 0, tensor.tensor().bytes());
    return tensor;
  };
  const Guarded queries(DType::kF64, {kTokens, kHeads, kDim}), keys = zeros(DType::kF64),
                                                               values = zeros(DType::kF64);
  Reference reference;
  const Guarded exact_x = copy_as(DType::kF64, x);
  const NormQkv exact = op_with(exact_x, queries, keys, values);
  check(exact);
  run(reference, exact);
  on_every_cpu([&](Cpu& cpu) {
    const Guarded cpu_queries(DType::kF32, {kTokens, kHeads, kDim}), cpu_keys = zeros(DType::kF32);
    const Guarded plain_values = zeros(DType::kF32);
    run(cpu, op_with(x, cpu_queries, cpu_keys, plain_values));
    expect_close(cpu_queries, queries, 3e-6);
    expect_close(cpu_keys, keys, 3e-6);
    expect_close(plain_values, values, 3e-6);
  });
}

TEST(Decode, NormGateUpEqualsTheReference) {
  for (const int64_t tokens : {1, 5, 8}) {
    const Guarded x = random_tensor(DType::kF32, {tokens, 64}, 1), norm = random_tensor(DType::kF32, {64}, 2);
    const Guarded gate = random_tensor(DType::kF32, {37, 64}, 3),
                  up = random_tensor(DType::kF32, {37, 64}, 4);
    const Guarded expected(DType::kF64, {tokens, 37});
    Reference reference;
    run(reference, NormGateUp{.x = copy_as(DType::kF64, x),
                              .norm = norm,
                              .gate = {.values = gate},
                              .up = {.values = up},
                              .y = expected});
    on_every_cpu([&](Cpu& cpu) {
      const Guarded y(DType::kF32, {tokens, 37});
      run(cpu, NormGateUp{.x = x, .norm = norm, .gate = {.values = gate}, .up = {.values = up}, .y = y});
      expect_close(y, expected, 1e-5);  // The sigmoid's exponential carries the product's rounding.
    });
  }
}

}  // namespace
}  // namespace poro
