// Attention on the GPU against the reference backend; what is too large for loops on the processor, against
// the exact kernels.
#include "ops/attention.h"

#include <numeric>

#include "tests/ops/attention_cases.h"
#include "tests/ops/cuda/on_gpu.h"

namespace poro {
namespace {

// In f32 sums run in another order than the reference's: some rounding errors of 6e-8 each. In bf16 the
// softmax's weights, the gradients of the scores and the results are rounded to 8 bits, 2e-3 each; sums
// average that.
struct Tolerance {
  double y, lse, gradients;
};
Tolerance tolerance(DType dtype) {
  return dtype == DType::kF32 ? Tolerance{.y = 3e-6, .lse = 1e-6, .gradients = 1e-5}
                              : Tolerance{.y = 5e-3, .lse = 1e-5, .gradients = 8e-3};
}

// Where a token sees itself only, nothing is left of dp - dy . y but the rounding of its terms, which are of
// size sqrt(D) here: errors count against 1 at least.
void expect_gradient(const Tensor& actual, const Tensor& expected, DType dtype) {
  double largest = 1, worst = 0;
  for (int64_t i = 0; i < expected.elements(); ++i) {
    largest = std::max(largest, std::abs(load_element(expected, i)));
    const double error = std::abs(load_element(actual, i) - load_element(expected, i));
    if (!(error <= worst)) worst = error;
    if (std::isnan(error)) break;
  }
  EXPECT_LE(worst, tolerance(dtype).gradients * largest) << "largest " << largest;
}

std::vector<PackedCase> gpu_packed_cases() {
  std::vector<PackedCase> cases = packed_cases();
  for (const int64_t dim : {64, 128}) {
    for (const int64_t group : {1, 2, 3, 4, 7, 8}) cases.push_back({{100, 1, 155, 128, 13}, {group, 1, dim}});
    cases.push_back({{128}, {2, 1, dim}});
    cases.push_back({{129, 383}, {2, 2, dim}});
    cases.push_back({{1, 127, 64, 1, 63, 1, 300}, {2, 1, dim}});
    cases.push_back({std::vector<int32_t>(300, 1), {2, 1, dim}});
  }
  return cases;
}

std::vector<CachedCase> gpu_cached_cases() {
  std::vector<CachedCase> cases = cached_cases();
  for (const DType dtype : {DType::kBF16, DType::kF8, DType::kF16}) {
    for (const int64_t page_size : {16, 32, 64}) {
      cases.push_back({{{1, 1}, {1, 63}, {1, 64}, {1, 65}, {1, 900}}, page_size, {8, 2, 128}, dtype});
      cases.push_back({{{5, 5}, {70, 300}, {1, 257}, {0, 9}, {64, 64}}, page_size, {4, 1, 128}, dtype});
      cases.push_back({{{3, 300}, {129, 129}, {1, 40}}, page_size, {4, 2, 64}, dtype});
    }
    for (const int64_t group : {1, 2, 3, 5, 8, 16})
      cases.push_back({{{1, 333}, {2, 700}}, 64, {2 * group, 2, 128}, dtype});
    CachedCase many{{}, 64, {8, 4, 128}, dtype};
    for (int32_t length = 1; length <= 1200; length += 29) many.sequences.push_back({1, length});
    cases.push_back(many);
    many.heads = {8, 4, 64};
    cases.push_back(many);
  }
  return cases;
}

class CudaPackedAttention : public OnGpu {};
class CudaPackedAttentionBackward : public OnGpu {};
class CudaCachedAttention : public OnGpu {};

struct PackedInputs {
  int64_t tokens;
  Guarded q, k, v, dy, starts;

  PackedInputs(DType dtype, const PackedCase& c)
      : tokens(std::accumulate(c.documents.begin(), c.documents.end(), int64_t{0})),
        q(random_tensor(dtype, {tokens, c.heads.queries, c.heads.dim}, 1, 2.0)),
        k(random_tensor(dtype, {tokens, c.heads.keys, c.heads.dim}, 2)),
        v(random_tensor(dtype, {tokens, c.heads.keys, c.heads.dim}, 3)),
        dy(random_tensor(dtype, {tokens, c.heads.queries, c.heads.dim}, 4)),
        starts(document_starts(c.documents)) {}

  static Guarded document_starts(const std::vector<int32_t>& documents) {
    std::vector<int32_t> places;
    for (const int32_t length : documents)
      places.insert(places.end(), static_cast<size_t>(length), static_cast<int32_t>(places.size()));
    return ints(places);
  }
};

testing::Message description(DType dtype, const PackedCase& c) {
  return testing::Message() << dtype_name(dtype) << ", " << c.documents.size() << " documents from "
                            << c.documents[0] << ", heads " << c.heads.queries << "/" << c.heads.keys
                            << ", D " << c.heads.dim;
}

TEST_F(CudaPackedAttention, EqualsTheReference) {
  for (const DType dtype : kActivations) {
    Device& device = gpu(dtype);
    for (const PackedCase& c : gpu_packed_cases()) {
      SCOPED_TRACE(description(dtype, c));
      const PackedInputs in(dtype, c);
      const Shape shape = in.q.tensor().shape, lse_shape{in.tokens, c.heads.queries};
      const Guarded expected(DType::kF64, shape), expected_lse(DType::kF64, lse_shape);
      Reference reference;
      run(reference,
          PackedAttention{
              .q = in.q, .k = in.k, .v = in.v, .starts = in.starts, .y = expected, .lse = expected_lse});
      const GpuTensor q(device, in.q), k(device, in.k), v(device, in.v), starts(device, in.starts);
      const GpuTensor y(device, dtype, shape), lse(device, DType::kF32, lse_shape),
          again(device, dtype, shape);
      run(device, PackedAttention{.q = q, .k = k, .v = v, .starts = starts, .y = y, .lse = lse});
      run(device, PackedAttention{.q = q, .k = k, .v = v, .starts = starts, .y = again, .lse = {}});
      expect_close(y.fetch(), expected, tolerance(dtype).y);
      expect_close(lse.fetch(), expected_lse, tolerance(dtype).lse);
      EXPECT_TRUE(equal_bits(y.fetch(), again.fetch()));
      if (HasFailure()) return;
    }
  }
}

// A forward and a backward pass of a device.
struct Passes {
  GpuTensor q, k, v, dy, starts, y, lse, dq, dk, dv;

  Passes(Device& device, DType dtype, const PackedInputs& in)
      : q(device, in.q),
        k(device, in.k),
        v(device, in.v),
        dy(device, in.dy),
        starts(device, in.starts),
        y(device, dtype, in.q.tensor().shape),
        lse(device, DType::kF32, {in.tokens, in.q.tensor().dim(1)}),
        dq(device, dtype, in.q.tensor().shape),
        dk(device, dtype, in.k.tensor().shape),
        dv(device, dtype, in.k.tensor().shape) {
    run(device, PackedAttention{.q = q, .k = k, .v = v, .starts = starts, .y = y, .lse = lse});
    run(device, PackedAttentionBackward{.q = q,
                                        .k = k,
                                        .v = v,
                                        .starts = starts,
                                        .y = y,
                                        .lse = lse,
                                        .dy = dy,
                                        .dq = dq,
                                        .dk = dk,
                                        .dv = dv});
  }
};

TEST_F(CudaPackedAttentionBackward, EqualsTheReference) {
  for (const DType dtype : kActivations) {
    for (const PackedCase& c : gpu_packed_cases()) {
      SCOPED_TRACE(description(dtype, c));
      const PackedInputs in(dtype, c);
      const Passes actual(gpu(dtype), dtype, in), again(gpu(dtype), dtype, in);
      const Guarded dq(DType::kF64, in.q.tensor().shape), dk(DType::kF64, in.k.tensor().shape),
          dv(DType::kF64, in.k.tensor().shape);
      const Guarded y = actual.y.fetch(), lse = actual.lse.fetch();
      Reference reference;
      run(reference, PackedAttentionBackward{.q = in.q,
                                             .k = in.k,
                                             .v = in.v,
                                             .starts = in.starts,
                                             .y = y,
                                             .lse = lse,
                                             .dy = in.dy,
                                             .dq = dq,
                                             .dk = dk,
                                             .dv = dv});
      expect_gradient(actual.dq.fetch(), dq, dtype);
      expect_gradient(actual.dk.fetch(), dk, dtype);
      expect_gradient(actual.dv.fetch(), dv, dtype);
      EXPECT_TRUE(equal_bits(actual.dq.fetch(), again.dq.fetch())) << "dq differs from run to run";
      EXPECT_TRUE(equal_bits(actual.dk.fetch(), again.dk.fetch())) << "dk differs from run to run";
      EXPECT_TRUE(equal_bits(actual.dv.fetch(), again.dv.fetch())) << "dv differs from run to run";
      if (HasFailure()) return;
    }
  }
}

// Long rows: bf16 against the exact kernels on the same values in f32.
TEST_F(CudaPackedAttentionBackward, LongRowsEqualTheExactKernels) {
  for (const PackedCase& c :
       {PackedCase{{8192}, {4, 1, 128}}, PackedCase{{3000, 1, 2500, 700, 1500, 491}, {4, 2, 128}},
        PackedCase{{4000, 97}, {3, 3, 64}}}) {
    SCOPED_TRACE(description(DType::kBF16, c));
    const PackedInputs in(DType::kBF16, c);
    PackedInputs exact_in(DType::kBF16, c);
    for (Guarded* input : {&exact_in.q, &exact_in.k, &exact_in.v, &exact_in.dy}) {
      Guarded wide = copy_as(DType::kF32, *input);
      std::destroy_at(input);
      std::construct_at(input, std::move(wide));
    }
    const Passes actual(gpu(DType::kBF16), DType::kBF16, in), again(gpu(DType::kBF16), DType::kBF16, in);
    const Passes exact(gpu(DType::kF32), DType::kF32, exact_in);
    expect_close(actual.y.fetch(), exact.y.fetch(), tolerance(DType::kBF16).y);
    expect_close(actual.lse.fetch(), exact.lse.fetch(), tolerance(DType::kBF16).lse);
    expect_gradient(actual.dq.fetch(), exact.dq.fetch(), DType::kBF16);
    expect_gradient(actual.dk.fetch(), exact.dk.fetch(), DType::kBF16);
    expect_gradient(actual.dv.fetch(), exact.dv.fetch(), DType::kBF16);
    EXPECT_TRUE(equal_bits(actual.y.fetch(), again.y.fetch()) &&
                equal_bits(actual.dq.fetch(), again.dq.fetch()));
    EXPECT_TRUE(equal_bits(actual.dk.fetch(), again.dk.fetch()) &&
                equal_bits(actual.dv.fetch(), again.dv.fetch()));
  }
}

// e4m3: four bits of exponent from 2^-6, three of mantissa.
double e4m3_value(int code) {
  const int exponent = code >> 3 & 15, mantissa = code & 7;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return (code & 128) != 0 ? -magnitude : magnitude;
}

// The cache in e4m3, to the nearest value; `cache` itself takes the rounded values. What is NaN stays NaN
// (0x7f).
Guarded to_e4m3(const Tensor& cache) {
  Guarded result(DType::kF8, cache.shape);
  std::vector<double> values(0x7f);
  for (size_t code = 0; code < values.size(); ++code) values[code] = e4m3_value(static_cast<int>(code));
  for (int64_t i = 0; i < cache.elements(); ++i) {
    const double value = load_element(cache, i), magnitude = std::min(std::abs(value), values.back());
    result.tensor().data[i] = std::byte{0x7f};
    if (std::isnan(value)) continue;
    int code = static_cast<int>(std::lower_bound(values.begin(), values.end(), magnitude) - values.begin());
    if (code > 0 &&
        magnitude - values[static_cast<size_t>(code) - 1] < values[static_cast<size_t>(code)] - magnitude)
      --code;
    if (value < 0) code += 128;
    result.tensor().data[i] = static_cast<std::byte>(code);
    store_element(cache, i, e4m3_value(code));
  }
  return result;
}

// The op on the GPU, with room in the launch for `slack` more new tokens and a length `slack` times as long.
struct CachedOnGpu {
  GpuTensor q, keys, values, page_table, row_starts, lengths, y;
  CachedAttention op;

  CachedOnGpu(Device& device, const Tensor& queries, const Cache& cache, const Tensor& cached_keys,
              const Tensor& cached_values, int64_t slack)
      : q(device, queries),
        keys(device, cached_keys),
        values(device, cached_values),
        page_table(device, cache.page_table),
        row_starts(device, cache.row_starts),
        lengths(device, cache.lengths),
        y(device, queries.dtype, queries.shape),
        op{.q = q,
           .keys = keys,
           .values = values,
           .page_table = page_table,
           .row_starts = row_starts,
           .lengths = lengths,
           .y = y} {
    const int32_t* starts = cache.row_starts.tensor().as<int32_t>();
    for (int64_t b = 0; b < cache.lengths.tensor().dim(0); ++b) {
      op.max_new_tokens = std::max<int64_t>(op.max_new_tokens, starts[b + 1] - starts[b]);
      op.max_length = std::max<int64_t>(op.max_length, cache.lengths.tensor().as<int32_t>()[b]);
    }
    if (slack > 0) op.max_new_tokens += slack, op.max_length *= 1 + slack;
  }
};

TEST_F(CudaCachedAttention, EqualsTheReference) {
  for (const DType dtype : kActivations) {
    Device& device = gpu(dtype);
    for (const CachedCase& c : gpu_cached_cases()) {
      SCOPED_TRACE(testing::Message()
                   << dtype_name(dtype) << ", " << c.sequences.size() << " sequences, first "
                   << c.sequences[0].new_tokens << " of " << c.sequences[0].length << ", pages of "
                   << c.page_size << ", heads " << c.heads.queries << "/" << c.heads.keys << ", D "
                   << c.heads.dim << ", cache " << dtype_name(c.dtype));
      CachedCase stored = c;
      if (c.dtype == DType::kF8) stored.dtype = DType::kBF16;
      const Cache cache = make_cache(stored);
      std::optional<Guarded> keys, values;
      if (c.dtype == DType::kF8) keys.emplace(to_e4m3(cache.keys)), values.emplace(to_e4m3(cache.values));
      const Guarded q = random_tensor(dtype, {cache.tokens, c.heads.queries, c.heads.dim}, 1, 2.0);
      const Guarded expected(DType::kF64, q.tensor().shape);
      Reference reference;
      run(reference, CachedAttention{.q = q,
                                     .keys = cache.keys,
                                     .values = cache.values,
                                     .page_table = cache.page_table,
                                     .row_starts = cache.row_starts,
                                     .lengths = cache.lengths,
                                     .y = expected});
      for (const int64_t slack : {0, 1, 7}) {
        const CachedOnGpu on_gpu(device, q, cache, keys ? *keys : cache.keys, values ? *values : cache.values,
                                 slack);
        run(device, on_gpu.op);
        const Guarded y = on_gpu.y.fetch();
        expect_close(y, expected, tolerance(dtype).y);
        run(device, on_gpu.op);
        EXPECT_TRUE(equal_bits(y, on_gpu.y.fetch())) << "differs from run to run";
        if (HasFailure()) return;
      }
    }
  }
}

// A recorded launch has the sizes of the recording; lengths change from replay to replay, up to what it was
// recorded for.
TEST_F(CudaCachedAttention, ReplaysAtAnyLength) {
  for (const DType dtype : kActivations) {
    Device& device = gpu(dtype);
    const CachedCase c{{{1, 3000}, {1, 3000}, {1, 3000}}, 64, {8, 2, 128}, DType::kBF16};
    const Cache cache = make_cache(c);
    const Guarded q = random_tensor(dtype, {cache.tokens, c.heads.queries, c.heads.dim}, 1, 2.0);
    const CachedOnGpu recorded(device, q, cache, cache.keys, cache.values, 0);
    Recording recording;
    for (const std::vector<int32_t>& lengths : {std::vector<int32_t>{3000, 3000, 3000},
                                                {3000, 2999, 1},
                                                {1, 64, 65},
                                                {512, 700, 2048},
                                                {3000, 17, 1500},
                                                {2, 2, 2}}) {
      device.copy(ints(lengths), recorded.lengths);
      recording.run(device, [&] { run(device, recorded.op); });
      const Guarded now = ints(lengths), expected(DType::kF64, q.tensor().shape);
      Reference reference;
      run(reference, CachedAttention{.q = q,
                                     .keys = cache.keys,
                                     .values = cache.values,
                                     .page_table = cache.page_table,
                                     .row_starts = cache.row_starts,
                                     .lengths = now,
                                     .y = expected});
      SCOPED_TRACE(testing::Message() << dtype_name(dtype) << ", first length " << lengths[0]);
      expect_close(recorded.y.fetch(), expected, tolerance(dtype).y);
      if (HasFailure()) return;
    }
  }
}

// A sequence's bits do not depend on its neighbours in the batch, also where those are so many that other
// blocks compute it.
TEST_F(CudaCachedAttention, DecodesASequenceAloneAsInABatch) {
  Device& device = gpu(DType::kBF16);
  for (const int copies : {1, 9}) {
    CachedCase c{{}, 32, {8, 2, 128}, DType::kBF16};
    for (int i = 0; i < copies; ++i)
      c.sequences.insert(c.sequences.end(), {{1, 40}, {1, 1000}, {1, 2500}, {1, 300}});
    const Cache cache = make_cache(c);
    const Guarded q = random_tensor(DType::kBF16, {cache.tokens, c.heads.queries, c.heads.dim}, 1, 2.0);
    const CachedOnGpu batch(device, q, cache, cache.keys, cache.values, 0);
    run(device, batch.op);
    const Guarded together = batch.y.fetch();
    for (int64_t b = 0; b < std::ssize(c.sequences); ++b) {
      const GpuTensor y(device, DType::kBF16, {1, c.heads.queries, c.heads.dim}),
          row_starts(device, ints({0, 1}));
      CachedAttention alone = batch.op;
      alone.q = batch.q.tensor().rows(b, 1), alone.y = y, alone.row_starts = row_starts;
      alone.page_table = batch.page_table.tensor().rows(b, 1),
      alone.lengths = batch.lengths.tensor().rows(b, 1);
      alone.max_length = c.sequences[static_cast<size_t>(b)].length;
      run(device, alone);
      EXPECT_TRUE(equal_bits(y.fetch(), together.tensor().rows(b, 1))) << "sequence " << b;
    }
  }
}

}  // namespace
}  // namespace poro
