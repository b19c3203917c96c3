// The ops that need little more than a look at each element: gates, rotations, tables, caches,
// log-probabilities.
#include "ops/attention.h"
#include "ops/embed.h"
#include "ops/log_probs.h"
#include "ops/rope.h"
#include "ops/swiglu.h"
#include "tests/ops/cuda/on_gpu.h"
#include "tests/ops/row_cases.h"

namespace poro {
namespace {

using CudaRope = OnGpu;
using CudaSwiGlu = OnGpu;
using CudaEmbed = OnGpu;
using CudaCacheWrite = OnGpu;
using CudaLogProbs = OnGpu;

void expect_rope(Device& device, const RopeCase& c) {
  const DType dtype = device.activation_dtype();
  SCOPED_TRACE(testing::Message() << c.tokens << " x " << c.heads << " x " << c.head_dim << " "
                                  << dtype_name(dtype));
  const Guarded x = random_tensor(dtype, {c.tokens, c.heads, c.head_dim}, 1);
  std::vector<int32_t> places;
  for (int64_t t = 0; t < c.tokens; ++t) places.push_back(static_cast<int32_t>(t * t * 977 % 131072));
  places.back() = 131071;  // The last position of a long context turns furthest.
  const Guarded positions = ints(places), frequencies(DType::kF64, {c.head_dim / 2});
  for (int64_t i = 0; i < c.head_dim / 2; ++i)
    frequencies.tensor().as<double>()[i] =
        std::pow(500000.0, -2.0 * static_cast<double>(i) / static_cast<double>(c.head_dim));
  const GpuTensor gpu_positions(device, positions), gpu_frequencies(device, frequencies);
  for (const Rotation rotation : {Rotation::kForward, Rotation::kBackward}) {
    const Guarded expected = copy_as(DType::kF64, x);
    Reference reference;
    run(reference,
        Rope{.x = expected, .positions = positions, .frequencies = frequencies, .rotation = rotation});
    const GpuTensor y(device, x), again(device, x);
    run(device,
        Rope{.x = y, .positions = gpu_positions, .frequencies = gpu_frequencies, .rotation = rotation});
    run(device,
        Rope{.x = again, .positions = gpu_positions, .frequencies = gpu_frequencies, .rotation = rotation});
    expect_close(y.fetch(), expected, tolerance_of(dtype, 3e-7));
    EXPECT_TRUE(equal_bits(y.fetch(), again.fetch()));
  }
}

TEST_F(CudaRope, EqualsTheReference) {
  for (const DType dtype : kActivations) {
    for (const RopeCase& c : kRopeCases) expect_rope(gpu(dtype), c);
    for (const RopeCase& c : {RopeCase{8192, 2, 64}, RopeCase{3, 64, 128}}) expect_rope(gpu(dtype), c);
  }
}

void expect_gate(Device& device, const GateCase& c) {
  const DType dtype = device.activation_dtype();
  const Shape shape = {c.tokens, c.width};
  SCOPED_TRACE(testing::Message() << c.tokens << " x " << c.width << " " << dtype_name(dtype));
  const Guarded gate = random_tensor(dtype, shape, 1, 3.0), up = random_tensor(dtype, shape, 2),
                dy = random_tensor(dtype, shape, 3);
  const Guarded want(DType::kF64, shape), want_dgate(DType::kF64, shape), want_dup(DType::kF64, shape);
  Reference reference;
  run(reference, SwiGlu{.gate = gate, .up = up, .y = want});
  run(reference, SwiGluBackward{.gate = gate, .up = up, .dy = dy, .dgate = want_dgate, .dup = want_dup});
  const GpuTensor gpu_gate(device, gate), gpu_up(device, up), gpu_dy(device, dy), y(device, dtype, shape),
      in_place(device, gate);
  run(device, SwiGlu{.gate = gpu_gate, .up = gpu_up, .y = y});
  run(device, SwiGlu{.gate = in_place, .up = gpu_up, .y = in_place});
  expect_close(y.fetch(), want, tolerance_of(dtype));
  EXPECT_TRUE(equal_bits(y.fetch(), in_place.fetch()));
  const GpuTensor dgate(device, dtype, shape), dup(device, dtype, shape), dgate_in_place(device, gate),
      dup_in_place(device, up);
  run(device, SwiGluBackward{.gate = gpu_gate, .up = gpu_up, .dy = gpu_dy, .dgate = dgate, .dup = dup});
  run(device, SwiGluBackward{.gate = dgate_in_place,
                             .up = dup_in_place,
                             .dy = gpu_dy,
                             .dgate = dgate_in_place,
                             .dup = dup_in_place});
  expect_close(dgate.fetch(), want_dgate, tolerance_of(dtype));
  expect_close(dup.fetch(), want_dup, tolerance_of(dtype));
  EXPECT_TRUE(equal_bits(dgate.fetch(), dgate_in_place.fetch()) &&
              equal_bits(dup.fetch(), dup_in_place.fetch()));
}

TEST_F(CudaSwiGlu, EqualsTheReference) {
  for (const DType dtype : kActivations) {
    for (const GateCase& c : kGateCases) expect_gate(gpu(dtype), c);
    expect_gate(gpu(dtype), {8192, 130});
  }
}

// With up = 1: each element on its own. f32 within 4 units in the last place, bf16 within its rounding.
TEST_F(CudaSwiGlu, IsExactOverTheRangeOfExp) {
  constexpr int64_t kCount = 20001;
  for (const DType dtype : kActivations) {
    Device& device = gpu(dtype);
    const Guarded gate(dtype, {1, kCount}), up(dtype, {1, kCount}), expected(DType::kF64, {1, kCount});
    for (int64_t i = 0; i < kCount; ++i) {
      store_element(gate, i, static_cast<double>(i - kCount / 2) * 85.0 / (kCount / 2));
      store_element(up, i, 1.0);
    }
    Reference reference;
    run(reference, SwiGlu{.gate = gate, .up = up, .y = expected});
    const GpuTensor gpu_gate(device, gate), gpu_up(device, up), y(device, dtype, {1, kCount});
    run(device, SwiGlu{.gate = gpu_gate, .up = gpu_up, .y = y});
    const Guarded got = y.fetch();
    for (int64_t i = 0; i < kCount; ++i) {
      const double want = load_element(expected, i), step = dtype == DType::kBF16 ? 0x1p-8 : 4 * 1.2e-7;
      ASSERT_LE(std::abs(load_element(got, i) - want), step * std::abs(want) + 1e-36)
          << load_element(gate, i);
    }
  }
}

TEST_F(CudaSwiGlu, PassesInfinityAndNan) {
  for (const DType dtype : kActivations) {
    Device& device = gpu(dtype);
    const Guarded gate(dtype, {1, 4}), up(dtype, {1, 4});
    const double gates[] = {INFINITY, 1000.0, -1000.0, NAN};
    for (int64_t i = 0; i < 4; ++i) store_element(gate, i, gates[i]), store_element(up, i, 1.0);
    const GpuTensor gpu_gate(device, gate), gpu_up(device, up), y(device, dtype, {1, 4});
    run(device, SwiGlu{.gate = gpu_gate, .up = gpu_up, .y = y});
    const Guarded got = y.fetch();
    EXPECT_EQ(load_element(got, 0), INFINITY);
    EXPECT_EQ(load_element(got, 1), load_element(gate, 1));
    EXPECT_EQ(load_element(got, 2), 0.0);
    EXPECT_TRUE(std::isnan(load_element(got, 3)));
  }
}

TEST_F(CudaEmbed, CopiesRowsExactly) {
  for (const DType activations : kActivations)
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16})
      for (const int64_t width : {1, 37, 64, 2048}) {
        SCOPED_TRACE(testing::Message()
                     << dtype_name(dtype) << " to " << dtype_name(activations) << ", width " << width);
        Device& device = gpu(activations);
        const Guarded table = random_tensor(dtype, {11, width}, 1),
                      ids = ints({12, 2, 5, 5, 9, 1, 13});  // The last two are others'.
        const Guarded expected(activations, {7, width});
        Reference reference;
        run(reference, Embed{.ids = ids, .table = table, .y = expected, .first_id = 2});
        const GpuTensor gpu_table(device, table), gpu_ids(device, ids), y(device, activations, {7, width});
        run(device, Embed{.ids = gpu_ids, .table = gpu_table, .y = y, .first_id = 2});
        EXPECT_TRUE(equal_bits(y.fetch(), expected));
      }
}

// `num_ids`: 1 is a row of padding alone.
void expect_embed_backward(Device& device, int64_t tokens, int64_t width, int64_t num_ids,
                           DType dtable_dtype) {
  const DType dtype = device.activation_dtype();
  SCOPED_TRACE(testing::Message() << tokens << " tokens of " << num_ids << ", width " << width << ", "
                                  << dtype_name(dtype) << " to " << dtype_name(dtable_dtype));
  std::vector<int32_t> wanted;
  std::mt19937 engine(7);
  for (int64_t t = 0; t < tokens; ++t) wanted.push_back(static_cast<int32_t>(8 + engine() % num_ids));
  const Guarded ids = ints(wanted), dy = random_tensor(dtype, {tokens, width}, 1),
                before = random_tensor(dtable_dtype, {40, width}, 2);
  const Guarded want = copy_as(DType::kF64, before);
  Reference reference;
  run(reference, EmbedBackward{.ids = ids, .dy = dy, .dtable = want, .first_id = 10});
  const GpuTensor gpu_ids(device, ids), gpu_dy(device, dy), dtable(device, before), again(device, before);
  run(device, EmbedBackward{.ids = gpu_ids, .dy = gpu_dy, .dtable = dtable, .first_id = 10});
  run(device, EmbedBackward{.ids = gpu_ids, .dy = gpu_dy, .dtable = again, .first_id = 10});
  expect_close(dtable.fetch(), want, tolerance_of(dtable_dtype, 3e-6));
  EXPECT_TRUE(equal_bits(dtable.fetch(), again.fetch()));
}

TEST_F(CudaEmbed, AddsGradientsInTheOrderOfTokens) {
  for (const DType dtype : kActivations)
    for (const DType dtable : kActivations) {
      expect_embed_backward(gpu(dtype), 1, 20, 3, dtable);
      expect_embed_backward(gpu(dtype), 300, 37, 50, dtable);
      expect_embed_backward(gpu(dtype), 1000, 2056, 45, dtable);
      expect_embed_backward(gpu(dtype), 8192, 64, 5, dtable);
      expect_embed_backward(gpu(dtype), 129, 64, 3, dtable);
    }
}

TEST_F(CudaCacheWrite, EqualsTheReference) {
  for (const DType activations : kActivations)
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16})
      for (const int64_t dim : {128, 10}) {
        Device& device = gpu(activations);
        const Guarded k = random_tensor(activations, {5, 3, dim}, 1, 100.0),
                      v = random_tensor(activations, {5, 3, dim}, 2, 1e-6);
        const Guarded slots = ints({31, 0, 17, 16, 5}), expected_keys(dtype, {4, 3, 8, dim}),
                      expected_values(dtype, {4, 3, 8, dim});
        Reference reference;
        run(reference,
            CacheWrite{.k = k, .v = v, .slots = slots, .keys = expected_keys, .values = expected_values});
        const GpuTensor gpu_k(device, k), gpu_v(device, v), gpu_slots(device, slots);
        const GpuTensor keys(device, dtype, {4, 3, 8, dim}), values(device, dtype, {4, 3, 8, dim});
        run(device, CacheWrite{.k = gpu_k, .v = gpu_v, .slots = gpu_slots, .keys = keys, .values = values});
        EXPECT_TRUE(equal_bits(keys.fetch(), expected_keys) && equal_bits(values.fetch(), expected_values))
            << dtype_name(dtype) << ", D " << dim;
      }
}

// The number of an e4m3 byte: 4 bits of exponent, 3 of mantissa, no infinities.
double e4m3(uint8_t bits) {
  const int exponent = bits >> 3 & 15, mantissa = bits & 7;
  const double size = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return (bits & 0x80u) != 0 ? -size : size;
}

TEST_F(CudaCacheWrite, RoundsToEightBits) {
  for (const int64_t dim : {64, 10}) {
    Device& device = gpu(DType::kBF16);
    const Guarded k = random_tensor(DType::kBF16, {4, 2, dim}, 1, 3.0),
                  v = random_tensor(DType::kBF16, {4, 2, dim}, 2, 0.01), slots = ints({0, 1, 2, 3});
    store_element(k, 0, 1e6);  // Out of range: the largest number there is.
    const GpuTensor gpu_k(device, k), gpu_v(device, v), gpu_slots(device, slots);
    const GpuTensor keys(device, DType::kF8, {4, 2, 1, dim}), values(device, DType::kF8, {4, 2, 1, dim});
    run(device, CacheWrite{.k = gpu_k, .v = gpu_v, .slots = gpu_slots, .keys = keys, .values = values});
    const Guarded got_keys = keys.fetch(), got_values = values.fetch();
    EXPECT_EQ(e4m3(static_cast<uint8_t>(got_keys.tensor().data[0])), 448.0);
    // Half a step of three bits of mantissa, or of the smallest numbers.
    for (int64_t i = 1; i < k.tensor().elements(); ++i) {
      ASSERT_NEAR(e4m3(static_cast<uint8_t>(got_keys.tensor().data[i])), load_element(k, i),
                  std::abs(load_element(k, i)) / 16 + 0x1p-10);
      ASSERT_NEAR(e4m3(static_cast<uint8_t>(got_values.tensor().data[i])), load_element(v, i),
                  std::abs(load_element(v, i)) / 16 + 0x1p-10);
    }
  }
}

TEST_F(CudaLogProbs, EqualsTheReference) {
  for (const DType logits_dtype : kActivations)
    for (const auto& [tokens, vocab] : kLogitCases)
      for (const double deviation : {1.0, 30.0}) {
        SCOPED_TRACE(testing::Message() << tokens << " x " << vocab << " " << dtype_name(logits_dtype)
                                        << ", deviation " << deviation);
        Device& device = gpu(DType::kF32);
        const Guarded logits = random_tensor(logits_dtype, {tokens, vocab}, 1, deviation);
        std::vector<int32_t> wanted;
        for (int64_t t = 0; t < tokens; ++t) wanted.push_back(static_cast<int32_t>(t * 7919 % vocab));
        const Guarded targets = ints(wanted), expected(DType::kF64, {tokens});
        Reference reference;
        run(reference, LogProbs{.logits = logits, .targets = targets, .logp = expected});
        const GpuTensor gpu_logits(device, logits), gpu_targets(device, targets);
        for (const DType dtype : {DType::kF32, DType::kF64}) {
          const GpuTensor logp(device, dtype, {tokens}), again(device, dtype, {tokens});
          run(device, LogProbs{.logits = gpu_logits, .targets = gpu_targets, .logp = logp});
          run(device, LogProbs{.logits = gpu_logits, .targets = gpu_targets, .logp = again});
          const Guarded got = logp.fetch();
          for (int64_t t = 0; t < tokens; ++t)
            EXPECT_NEAR(load_element(got, t), load_element(expected, t),
                        1e-6 * std::max(1.0, std::abs(load_element(expected, t))));
          EXPECT_TRUE(equal_bits(got, again.fetch()));
        }
      }
}

TEST_F(CudaLogProbs, AllowsMinusInfinity) {
  Device& device = gpu(DType::kF32);
  const Guarded logits = random_tensor(DType::kF32, {1, 50}, 1), targets = ints({49});
  for (int i = 0; i < 49; ++i) logits.tensor().as<float>()[i] = -INFINITY;
  const GpuTensor gpu_logits(device, logits), gpu_targets(device, targets), logp(device, DType::kF32, {1});
  run(device, LogProbs{.logits = gpu_logits, .targets = gpu_targets, .logp = logp});
  EXPECT_EQ(load_element(logp.fetch(), 0), 0.0);
}

}  // namespace
}  // namespace poro
