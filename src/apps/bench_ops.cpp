// poro bench ops: every operation of a Llama layer, for one token and for many. Weights and caches are cycled
// through more memory than any cache holds, as a model does. A GPU's are in bench_ops_cuda.cpp.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

#include "apps/bench.h"
#include "apps/bench_ops_cuda.h"
#include "apps/limits.h"
#include "apps/model_options.h"
#include "base/error.h"
#include "ops/attention.h"
#include "ops/embed.h"
#include "ops/linear.h"
#include "ops/log_probs.h"
#include "ops/norm.h"
#include "ops/quantize.h"
#include "ops/rope.h"
#include "ops/swiglu.h"

namespace poro {
namespace {

struct Options {
  int threads = 0;
  std::string device = "cpu";
  std::string dtype = "bf16";
  std::string only;
};

struct LayerShape {
  std::string name;
  int64_t width, feed_forward, heads, kv_heads, head_dim, vocab;
};

const LayerShape kShapes[] = {
    {.name = "8b",
     .width = 4096,
     .feed_forward = 14336,
     .heads = 32,
     .kv_heads = 8,
     .head_dim = 128,
     .vocab = 128256},
    {.name = "1b",
     .width = 2048,
     .feed_forward = 8192,
     .heads = 32,
     .kv_heads = 8,
     .head_dim = 64,
     .vocab = 128256},
};

constexpr int64_t kPastPositions = 512;  // Of the cache beside one token.
constexpr int64_t kColdBytes = int64_t{512} << 20;
constexpr double kMinSeconds = 0.25;

class OpsBench {
 public:
  OpsBench(const Options& options)
      : options_(options), cpu_(options.threads), limits_(measure_limits(cpu_)) {}

  void layer(const LayerShape& shape, int64_t tokens);
  void packed_attention(const LayerShape& shape, int64_t tokens);
  nlohmann::ordered_json report() const {
    return {{"threads", cpu_.pool.size()},
            {"isa", isa_name(cpu_.isa)},
            {"limits", to_json(limits_)},
            {"ops", rows_}};
  }

 private:
  // Times `op(i)` for i = 0, 1, ...: the i-th copy of whatever must be cold.
  template <class MakeOp>
  void time(const std::string& name, Unit unit, const MakeOp& make_op);
  bool is_wanted(const std::string& name) const { return name.find(options_.only) != std::string::npos; }
  void linear(const LayerShape& shape, int64_t tokens, const char* part, Shape weights);
  void attention(const std::string& name, const LayerShape& shape, int64_t tokens);
  Tensor floats(Arena& arena, Shape shape);
  std::vector<Matrix> matrices(Arena& arena, Shape shape);

  Options options_;
  Cpu cpu_;
  Limits limits_;
  nlohmann::ordered_json rows_ = nlohmann::ordered_json::array();
};

Tensor OpsBench::floats(Arena& arena, Shape shape) {
  const Tensor tensor = arena.tensor(DType::kF32, shape);
  parallel_for(cpu_.pool, tensor.elements(), 4096, [&](Range range) {
    for (int64_t i = range.begin; i < range.end; ++i)
      tensor.as<float>()[i] = static_cast<float>(i * 7919 % 2003 - 1001) * 1e-3f;
  });
  return tensor;
}

std::vector<Matrix> OpsBench::matrices(Arena& arena, Shape shape) {
  const auto dtypes = {DType::kF32, DType::kF16, DType::kBF16, DType::kI8, DType::kI4};
  const auto dtype = std::find_if(dtypes.begin(), dtypes.end(),
                                  [&](DType each) { return dtype_name(each) == options_.dtype; });
  if (dtype == dtypes.end()) fail("--dtype {} is unknown; use f32, f16, bf16, int8 or int4", options_.dtype);
  Arena source_arena("source");
  Matrix source = {.values = source_arena.tensor(DType::kBF16, shape)};
  parallel_for(cpu_.pool, shape.elements(), 4096, [&](Range range) {
    for (int64_t i = range.begin; i < range.end; ++i)
      source.values.as<BFloat16>()[i] = BFloat16(static_cast<float>(i * 7919 % 2003 - 1001) * 1e-4f);
  });
  std::vector<Matrix> copies;
  const auto make = [&]() -> Matrix {
    if (*dtype == DType::kI8 || *dtype == DType::kI4) {
      Matrix matrix = quantized_matrix(arena, {.dtype = *dtype, .shape = shape});
      quantize(cpu_.pool, source, matrix);
      return matrix;
    }
    Matrix matrix = {.values = arena.tensor(*dtype, shape)};
    parallel_for(cpu_.pool, shape[0], 16, [&](Range rows) {
      for (int64_t i = rows.begin * shape[1]; i < rows.end * shape[1]; ++i)
        store_element(matrix.values, i, load_element(source.values, i));
    });
    return matrix;
  };
  do copies.push_back(make());
  while (static_cast<int64_t>(copies.size() * copies[0].bytes()) < kColdBytes);
  return copies;
}

template <class MakeOp>
void OpsBench::time(const std::string& name, Unit unit, const MakeOp& make_op) {
  if (!is_wanted(name)) return;
  std::vector<double> seconds;
  double total = 0;
  run(cpu_, make_op(0));
  for (size_t i = 1; total < kMinSeconds || seconds.size() < 5; ++i) {
    const auto op = make_op(i);
    const auto start = std::chrono::steady_clock::now();
    run(cpu_, op);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    total += seconds.back();
  }
  std::nth_element(seconds.begin(), seconds.begin() + static_cast<int64_t>(seconds.size() / 2),
                   seconds.end());
  const double median = seconds[seconds.size() / 2];
  const Cost work = cost(make_op(0));
  rows_.push_back({{"op", name},
                   {"us", median * 1e6},
                   {"gb_per_second", work.bytes / median / 1e9},
                   {"gflops", work.flops / median / 1e9},
                   {"share_of_bandwidth", work.bytes / median / limits_.read_bytes_per_second},
                   {"share_of_peak", work.flops / median / limits_.peak(unit)}});
  std::fprintf(stderr, "%-36s %10.1f us %8.1f GB/s %5.1f %% %9.1f GFLOP/s %5.1f %%\n", name.c_str(),
               median * 1e6, work.bytes / median / 1e9,
               100 * work.bytes / median / limits_.read_bytes_per_second, work.flops / median / 1e9,
               100 * work.flops / median / limits_.peak(unit));
}

// The product and, of many tokens with plain weights, its two gradients.
void OpsBench::linear(const LayerShape& shape, int64_t tokens, const char* part, Shape weights) {
  const auto name = [&](const char* op) {
    return fmt::format("{} T={} {} {}", shape.name, tokens, op, part);
  };
  if (!is_wanted(name("linear")) && !is_wanted(name("linear dx")) && !is_wanted(name("linear dw"))) return;
  Arena arena("linear");
  const std::vector<Matrix> copies = matrices(arena, weights);
  const Tensor x = floats(arena, {tokens, weights[1]}), y = floats(arena, {tokens, weights[0]});
  const DType dtype = copies[0].dtype();
  const Unit unit = copies[0].is_quantised() ? Unit::kInt8 : dtype == DType::kBF16 ? Unit::kBf16 : Unit::kF32;
  const auto w = [&](size_t i) { return copies[i % copies.size()]; };
  time(name("linear"), unit, [&](size_t i) { return Linear{.x = x, .w = w(i), .y = y, .residual = {}}; });
  if (tokens == 1 || copies[0].is_quantised()) return;
  time(name("linear dx"), unit,
       [&](size_t i) { return LinearInputGradient{.dy = y, .w = w(i), .dx = x, .residual = {}}; });
  const Tensor dw = arena.tensor(DType::kF32, weights);
  const DType operands = dtype == DType::kBF16 ? dtype : DType::kF32;
  time(name("linear dw"), unit,
       [&](size_t) { return LinearWeightGradient{.dy = y, .x = x, .dw = dw, .operands = operands}; });
}

void OpsBench::attention(const std::string& name, const LayerShape& shape, int64_t tokens) {
  constexpr int64_t kPageSize = 64;
  const int64_t length = tokens == 1 ? kPastPositions : tokens;
  const int64_t pages = (length + kPageSize - 1) / kPageSize;
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    if (!is_wanted(fmt::format("{} {}", name, dtype_name(dtype)))) continue;
    Arena arena("attention");
    const Shape cache_shape{pages, shape.kv_heads, kPageSize, shape.head_dim};
    const int64_t copies = kColdBytes * 8 / (cache_shape.elements() * dtype_bits(dtype) * 2);
    const Tensor keys = arena.tensor(dtype, cache_shape.with_first(pages * copies));
    const Tensor values = arena.tensor(dtype, cache_shape.with_first(pages * copies));
    const Tensor q = floats(arena, {tokens, shape.heads, shape.head_dim});
    const Tensor k = floats(arena, {kPageSize, shape.kv_heads, shape.head_dim});
    const Tensor slots = arena.tensor(DType::kI32, {kPageSize});
    for (int64_t page = 0; page < pages * copies; ++page) {
      std::iota(slots.as<int32_t>(), slots.as<int32_t>() + kPageSize, static_cast<int32_t>(page * kPageSize));
      run(cpu_, CacheWrite{.k = k, .v = k, .slots = slots, .keys = keys, .values = values});
    }
    const Tensor page_table = arena.tensor(DType::kI32, {1, pages}),
                 row_starts = arena.tensor(DType::kI32, {2});
    const Tensor lengths = arena.tensor(DType::kI32, {1}), y = arena.tensor(DType::kF32, q.shape);
    std::iota(page_table.as<int32_t>(), page_table.as<int32_t>() + pages, 0);
    row_starts.as<int32_t>()[1] = static_cast<int32_t>(tokens);
    lengths.as<int32_t>()[0] = static_cast<int32_t>(length);
    time(fmt::format("{} {}", name, dtype_name(dtype)), Unit::kF32, [&](size_t i) {
      const int64_t copy = static_cast<int64_t>(i) % copies;
      return CachedAttention{.q = q,
                             .keys = keys.rows(copy * pages, pages),
                             .values = values.rows(copy * pages, pages),
                             .page_table = page_table,
                             .row_starts = row_starts,
                             .lengths = lengths,
                             .y = y};
    });
  }
}

// One document, forward and backward, with operands in f32 and in bf16.
void OpsBench::packed_attention(const LayerShape& shape, int64_t tokens) {
  const auto name = [&](const char* pass, DType operands) {
    return fmt::format("{} T={} packed attention{} {}", shape.name, tokens, pass, dtype_name(operands));
  };
  Arena arena("packed attention");
  const Shape queries{tokens, shape.heads, shape.head_dim}, keys{tokens, shape.kv_heads, shape.head_dim};
  const Tensor q = floats(arena, queries), y = floats(arena, queries), dy = floats(arena, queries),
               dq = floats(arena, queries), k = floats(arena, keys), v = floats(arena, keys),
               dk = floats(arena, keys), dv = floats(arena, keys);
  const Tensor lse = floats(arena, {tokens, shape.heads}), starts = arena.tensor(DType::kI32, {tokens});
  for (const DType operands : {DType::kF32, DType::kBF16}) {
    const Unit unit = operands == DType::kBF16 ? Unit::kBf16 : Unit::kF32;
    time(name("", operands), unit, [&](size_t) {
      return PackedAttention{
          .q = q, .k = k, .v = v, .starts = starts, .y = y, .lse = lse, .operands = operands};
    });
    time(name(" backward", operands), unit, [&](size_t) {
      return PackedAttentionBackward{.q = q,
                                     .k = k,
                                     .v = v,
                                     .starts = starts,
                                     .y = y,
                                     .lse = lse,
                                     .dy = dy,
                                     .dq = dq,
                                     .dk = dk,
                                     .dv = dv,
                                     .operands = operands};
    });
  }
}

void OpsBench::layer(const LayerShape& shape, int64_t tokens) {
  const auto name = [&](const char* op) { return fmt::format("{} T={} {}", shape.name, tokens, op); };
  const int64_t head_width = shape.heads * shape.head_dim, kv_width = shape.kv_heads * shape.head_dim;
  linear(shape, tokens, "q, o", {head_width, shape.width});
  linear(shape, tokens, "k, v", {kv_width, shape.width});
  linear(shape, tokens, "gate, up", {shape.feed_forward, shape.width});
  linear(shape, tokens, "down", {shape.width, shape.feed_forward});
  if (tokens == 1) linear(shape, tokens, "head", {shape.vocab, shape.width});
  attention(name("attention"), shape, tokens);

  Arena arena("rows");
  const Tensor x = floats(arena, {tokens, shape.width}), w = floats(arena, {shape.width}),
               y = floats(arena, {tokens, shape.width});
  time(name("norm"), Unit::kF32, [&](size_t) { return RmsNorm{.x = x, .w = w, .y = y, .rstd = {}}; });
  const Tensor heads = floats(arena, {tokens, shape.heads, shape.head_dim}),
               frequencies = arena.tensor(DType::kF64, {shape.head_dim / 2});
  const Tensor positions = arena.tensor(DType::kI32, {tokens});
  for (int64_t i = 0; i < shape.head_dim / 2; ++i)
    frequencies.as<double>()[i] = 1.0 / static_cast<double>(i + 1);
  std::iota(positions.as<int32_t>(), positions.as<int32_t>() + tokens, 100);
  time(name("rope"), Unit::kF32,
       [&](size_t) { return Rope{.x = heads, .positions = positions, .frequencies = frequencies}; });
  const Tensor gate = floats(arena, {tokens, shape.feed_forward}), up = floats(arena, gate.shape),
               gated = floats(arena, gate.shape);
  time(name("swiglu"), Unit::kF32, [&](size_t) { return SwiGlu{.gate = gate, .up = up, .y = gated}; });
  const Tensor logits = floats(arena, {std::min<int64_t>(tokens, 64), shape.vocab}),
               targets = arena.tensor(DType::kI32, {logits.dim(0)});
  const Tensor logp = arena.tensor(DType::kF32, {logits.dim(0)});
  time(name("log_probs (64 at most)"), Unit::kF32,
       [&](size_t) { return LogProbs{.logits = logits, .targets = targets, .logp = logp}; });
}

}  // namespace

void add_bench_ops(CLI::App& bench) {
  CLI::App* command = bench.add_subcommand(
      "ops", "Every operation of a Llama layer: microseconds, rate, share of this machine's limit");
  const auto options = std::make_shared<Options>();
  command->add_option("--threads", options->threads, "Threads; 0: every core this process may use");
  command
      ->add_option("--device", options->device,
                   "cpu, or cuda or cuda:N for the operations of training too, in bf16")
      ->capture_default_str();
  command
      ->add_option("--dtype", options->dtype,
                   "Weights of the products on the CPU: f32, f16, bf16, int8 or int4")
      ->capture_default_str();
  command->add_option("--only", options->only,
                      "Operations whose name contains this, as in \"8b T=512 linear\"");
  command->footer("Example: poro bench ops --threads 2 --only 'T=1 '");
  command->callback([options] {
    if (options->device.starts_with("cuda")) {
      ModelOptions compute;
      compute.device = options->device;
      const auto device = open_device(compute, DType::kBF16);
      std::puts(bench_ops_on_gpu(*device, options->only).dump(2).c_str());
      return;
    }
    OpsBench ops(*options);
    for (const LayerShape& shape : kShapes)
      for (const int64_t tokens : {1, 512}) ops.layer(shape, tokens);
    for (const LayerShape& shape : kShapes) ops.packed_attention(shape, 2048);
    std::puts(ops.report().dump(2).c_str());
  });
}

}  // namespace poro
