// The fused steps of decoding on the GPU against the reference's composition.
#include "ops/decode.h"

#include "tests/ops/cuda/gpu_matrix.h"

namespace poro {
namespace {

constexpr DType kFormats[] = {DType::kBF16, DType::kF8, DType::kI8, DType::kI4};

class Decode : public OnGpu {};

struct Heads {
  int64_t width, query, kv, dim;
};
constexpr int64_t kPages = 5, kPageSize = 16;

// Normed activations are rounded to bf16 as the composition's are on a GPU, which the reference does not do:
// 2^-9 of each, averaged over a sum; results in bf16 are rounded once more.
constexpr double kTolerance = 6e-3;
// More tokens take the composition, in which a rotated pair, or gate and up, were rounded before: two more
// half steps, of 2^-9 each. fp8 weights then meet activations in fp8: up to 2^-4 of each is lost, 0.026 of a
// sum's deviation.
double tolerance(DType format, int64_t tokens) {
  if (format == DType::kF8 && tokens > 32) return 0.04;
  return tokens > 8 ? 1e-2 : kTolerance;
}
// e4m3 keeps three bits: 2^-4 of the value.
double cache_tolerance(DType cache, double tolerance) {
  return cache == DType::kF8 ? 0.065 + tolerance : tolerance;
}

double cached_value(const Tensor& cache, int64_t index) {
  if (cache.dtype != DType::kF8) return load_element(cache, index);
  const uint8_t bits = static_cast<uint8_t>(cache.data[index]);
  const int exponent = bits >> 3 & 15, mantissa = bits & 7;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return bits & 0x80u ? -magnitude : magnitude;
}

void expect_qkv(Device& device, const Heads& h, DType format, int64_t tokens, DType cache_dtype) {
  SCOPED_TRACE(testing::Message() << tokens << " tokens, width " << h.width << ", heads " << h.query << "/"
                                  << h.kv << " of " << h.dim << " " << dtype_name(format) << ", cache "
                                  << dtype_name(cache_dtype));
  const GpuMatrix q(device, format, {h.query * h.dim, h.width}, 1),
      k(device, format, {h.kv * h.dim, h.width}, 2), v(device, format, {h.kv * h.dim, h.width}, 3);
  const Guarded x = random_tensor(DType::kBF16, {tokens, h.width}, 4, 2.0),
                norm = random_tensor(DType::kBF16, {h.width}, 5);
  std::vector<int32_t> positions, slots;
  for (int32_t t = 0; t < tokens; ++t)
    positions.push_back(t * t * 977 + t), slots.push_back((t * 29 + 3) % (kPages * kPageSize));
  const Guarded frequencies(DType::kF64, {h.dim / 2});
  for (int64_t i = 0; i < h.dim / 2; ++i)
    store_element(frequencies, i, std::pow(5e5, -2.0 * static_cast<double>(i) / static_cast<double>(h.dim)));
  const Shape cache_shape = {kPages, h.kv, kPageSize, h.dim};

  const Guarded exact_queries(DType::kF64, {tokens, h.query, h.dim}), exact_keys(DType::kF64, cache_shape),
      exact_values(DType::kF64, cache_shape);
  Reference reference;
  run(reference, NormQkv{.x = copy_as(DType::kF64, x),
                         .norm = norm,
                         .q = q.host(),
                         .k = k.host(),
                         .v = v.host(),
                         .positions = ints(positions),
                         .frequencies = frequencies,
                         .slots = ints(slots),
                         .queries = exact_queries,
                         .keys = exact_keys,
                         .values = exact_values});

  Guarded empty(cache_dtype, cache_shape);
  const GpuTensor keys(device, empty), values(device, empty),
      queries(device, DType::kBF16, {tokens, h.query, h.dim});
  const GpuTensor gpu_x(device, x), gpu_norm(device, norm), gpu_positions(device, ints(positions)),
      gpu_slots(device, ints(slots)), gpu_frequencies(device, frequencies);
  run(device, NormQkv{.x = gpu_x,
                      .norm = gpu_norm,
                      .q = q.gpu(),
                      .k = k.gpu(),
                      .v = v.gpu(),
                      .positions = gpu_positions,
                      .frequencies = gpu_frequencies,
                      .slots = gpu_slots,
                      .queries = queries,
                      .keys = keys,
                      .values = values});
  expect_close(queries.fetch(), exact_queries, tolerance(format, tokens));
  // Slots that were written, and nothing else: the others are what they were.
  const std::pair<const GpuTensor*, const Guarded*> caches[] = {{&keys, &exact_keys},
                                                                {&values, &exact_values}};
  for (const auto& [gpu_cache, exact] : caches) {
    const Guarded fetched = gpu_cache->fetch();
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < fetched.tensor().elements(); ++i) {
      const double wanted = load_element(*exact, i);
      if (std::isnan(wanted)) {
        const int64_t bytes = dtype_bits(cache_dtype) / 8;
        for (int64_t b = 0; b < bytes; ++b)
          ASSERT_EQ(fetched.tensor().data[i * bytes + b], std::byte{0xff}) << i;
        continue;
      }
      largest = std::max(largest, std::abs(wanted));
      worst = std::max(worst, std::abs(cached_value(fetched, i) - wanted));
      ASSERT_FALSE(std::isnan(cached_value(fetched, i))) << i;
    }
    EXPECT_LE(worst, cache_tolerance(cache_dtype, tolerance(format, tokens)) * largest);
  }
}

TEST_F(Decode, NormQkvEqualsItsSteps) {
  Device& device = gpu(DType::kBF16);
  for (const DType format : kFormats)
    for (const Heads& h :
         {Heads{256, 4, 1, 64}, Heads{512, 8, 2, 128}, Heads{1024, 8, 8, 32}, Heads{4096, 4, 2, 128}})
      for (const int64_t tokens : {1, 3, 8, 20, 64}) {
        expect_qkv(device, h, format, tokens, DType::kBF16);
        if (h.width == 512) expect_qkv(device, h, format, tokens, DType::kF8);
        if (h.width == 512) expect_qkv(device, h, format, tokens, DType::kF32);
      }
}

TEST_F(Decode, NormGateUpEqualsItsSteps) {
  Device& device = gpu(DType::kBF16);
  for (const DType format : kFormats)
    for (const Shape& shape : {Shape{8, 128}, Shape{100, 256}, Shape{1003, 640}, Shape{300, 8192}})
      for (const int64_t tokens : {1, 2, 8, 16, 20, 33, 64}) {
        if (format != DType::kBF16 && tokens > 8 && tokens != 33) continue;  // No kernel of its own.
        SCOPED_TRACE(testing::Message() << tokens << " tokens " << shape.str() << " " << dtype_name(format));
        const GpuMatrix gate(device, format, shape, 1), up(device, format, shape, 2);
        const Guarded x = random_tensor(DType::kBF16, {tokens, shape[1]}, 3, 5.0),
                      norm = random_tensor(DType::kF32, {shape[1]}, 4);
        const Guarded expected(DType::kF64, {tokens, shape[0]});
        Reference reference;
        run(reference, NormGateUp{.x = copy_as(DType::kF64, x),
                                  .norm = norm,
                                  .gate = gate.host(),
                                  .up = up.host(),
                                  .y = expected});
        const GpuTensor gpu_x(device, x), gpu_norm(device, norm), y(device, DType::kBF16, {tokens, shape[0]});
        run(device, NormGateUp{.x = gpu_x, .norm = gpu_norm, .gate = gate.gpu(), .up = up.gpu(), .y = y});
        expect_close(y.fetch(), expected,
                     1.5 * tolerance(format, tokens));  // Gate times up carries the errors of both.
        const GpuTensor again(device, DType::kBF16, {tokens, shape[0]}),
            alone(device, DType::kBF16, {1, shape[0]});
        run(device, NormGateUp{.x = gpu_x, .norm = gpu_norm, .gate = gate.gpu(), .up = up.gpu(), .y = again});
        run(device, NormGateUp{.x = gpu_x.tensor().rows(tokens - 1, 1),
                               .norm = gpu_norm,
                               .gate = gate.gpu(),
                               .up = up.gpu(),
                               .y = alone});
        EXPECT_TRUE(equal_bits(again.fetch(), y.fetch()));
        if (tokens <= 8) {
          EXPECT_TRUE(equal_bits(alone.fetch(), y.fetch().tensor().rows(tokens - 1, 1)));
        } else if (format == DType::kBF16 && tokens > 8 &&
                   shape[1] >= 512) {  // Else cuBLAS chooses by the number of rows.
          const GpuTensor fewer(device, DType::kBF16, {9, shape[0]});
          run(device, NormGateUp{.x = gpu_x.tensor().rows(tokens - 9, 9),
                                 .norm = gpu_norm,
                                 .gate = gate.gpu(),
                                 .up = up.gpu(),
                                 .y = fewer});
          EXPECT_TRUE(equal_bits(fewer.fetch(), y.fetch().tensor().rows(tokens - 9, 9)));
        }
      }
}

}  // namespace
}  // namespace poro
