// Operands are random, and where an op is limited by memory they are more than the caches hold: copies are
// taken in turn.
#include "apps/bench_ops_cuda.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <random>
#include <vector>

#include "base/stopwatch.h"
#include "ops/adamw.h"
#include "ops/attention.h"
#include "ops/convert.h"
#include "ops/cross_entropy.h"
#include "ops/embed.h"
#include "ops/gpu_limits.h"
#include "ops/linear.h"
#include "ops/log_probs.h"
#include "ops/norm.h"
#include "ops/random_fill.h"
#include "ops/rope.h"
#include "ops/squared_norm.h"
#include "ops/swiglu.h"

namespace poro {
namespace {

struct LayerShape {
  std::string name;
  int64_t width, feed_forward, heads, kv_heads, head_dim, vocab;
};

const LayerShape k8b = {.name = "8b",
                        .width = 4096,
                        .feed_forward = 14336,
                        .heads = 32,
                        .kv_heads = 8,
                        .head_dim = 128,
                        .vocab = 128256};
const LayerShape k70b = {.name = "70b",
                         .width = 8192,
                         .feed_forward = 28672,
                         .heads = 64,
                         .kv_heads = 8,
                         .head_dim = 128,
                         .vocab = 128256};

enum class Limit : uint8_t { kMemory, kArithmetic };

constexpr double kMinSeconds = 0.02;
constexpr int kRounds = 5;
constexpr double kColdBytes = 256e6;  // Several times the second-level cache.
constexpr double kWarmBytes = 1e6;    // Operands of less stay in the cache in a model too.

class GpuOpsBench {
 public:
  GpuOpsBench(Device& device, std::string only);

  void rows(const LayerShape& shape, int64_t tokens);
  void products(const LayerShape& shape, int64_t tokens);
  void packed_attention(const LayerShape& shape, int64_t tokens);
  struct Decoded {
    int64_t sequences, length;
  };
  void cached_attention(const LayerShape& shape, const Decoded& decoded);
  void head(const LayerShape& shape, int64_t tokens);
  void optimizer();
  nlohmann::ordered_json report() const {
    return {{"device", device_.name()},
            {"copy_gb_per_second", copy_rate_ / 1e9},
            {"product_tflops", product_rate_ / 1e12},
            {"ops", rows_}};
  }

 private:
  // Seconds of `body(i)` on the GPU for i = 0, 1, ...: the median of a few rounds.
  template <class Body>
  double seconds(const Body& body);
  // Times make_op(i), whose operands are of copy i % copies.
  template <class MakeOp>
  void time(const std::string& name, Limit limit, const MakeOp& make_op);
  bool is_wanted(const std::string& name) const { return name.find(only_) != std::string::npos; }
  Tensor random(Arena& arena, DType dtype, Shape shape);
  Tensor integers(Arena& arena, const std::vector<int32_t>& values);
  std::vector<Tensor> several(Arena& arena, DType dtype, Shape shape, double bytes_of_op);

  Device& device_;
  std::string only_;
  double copy_rate_, product_rate_;
  uint64_t seed_ = 0;
  nlohmann::ordered_json rows_ = nlohmann::ordered_json::array();
};

GpuOpsBench::GpuOpsBench(Device& device, std::string only)
    : device_(device),
      only_(std::move(only)),
      copy_rate_(gpu_copy_rate(device)),
      product_rate_(gpu_product_rate(device)) {
  std::fprintf(stderr, "%s: copies %.0f GB/s (read and write), a large product %.0f TFLOP/s\n",
               device.name().c_str(), copy_rate_ / 1e9, product_rate_ / 1e12);
}

Tensor GpuOpsBench::random(Arena& arena, DType dtype, Shape shape) {
  const Tensor tensor = arena.tensor(dtype, shape);
  if (dtype == DType::kBF16) {
    run(device_, RandomFill{.to = tensor, .seed = ++seed_});
    return tensor;
  }
  Arena narrow("bf16", device_);
  run(device_, Convert{.from = random(narrow, DType::kBF16, shape), .to = tensor});
  device_.synchronize();
  return tensor;
}

Tensor GpuOpsBench::integers(Arena& arena, const std::vector<int32_t>& values) {
  const Tensor tensor = arena.tensor(DType::kI32, {static_cast<int64_t>(values.size())});
  device_.copy({.data = reinterpret_cast<std::byte*>(const_cast<int32_t*>(values.data())),
                .dtype = DType::kI32,
                .shape = tensor.shape},
               tensor);
  return tensor;
}

std::vector<Tensor> GpuOpsBench::several(Arena& arena, DType dtype, Shape shape, double bytes_of_op) {
  const double copies =
      bytes_of_op < kWarmBytes ? 1 : std::clamp(std::ceil(kColdBytes / bytes_of_op), 1.0, 64.0);
  std::vector<Tensor> result;
  while (static_cast<double>(result.size()) < copies) result.push_back(random(arena, dtype, shape));
  return result;
}

template <class Body>
double GpuOpsBench::seconds(const Body& body) {
  gpu::Stopwatch watch(device_.cuda_backend());
  size_t i = 0;
  for (; i < 3; ++i) body(i);
  watch.start();
  body(i++);
  const double once = std::max(watch.stop(), 1e-6);
  const int calls = std::clamp(static_cast<int>(kMinSeconds / kRounds / once), 1, 2000);
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    watch.start();
    for (int call = 0; call < calls; ++call) body(i++);
    rounds.push_back(watch.stop() / calls);
  }
  std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
  return rounds[kRounds / 2];
}

template <class MakeOp>
void GpuOpsBench::time(const std::string& name, Limit limit, const MakeOp& make_op) {
  if (!is_wanted(name)) return;
  const Cost work = cost(make_op(0));
  const double taken = seconds([&](size_t i) { run(device_.cuda_backend(), make_op(i)); });
  const double rate = limit == Limit::kMemory ? work.bytes / taken : work.flops / taken;
  const double share = rate / (limit == Limit::kMemory ? copy_rate_ : product_rate_);
  const char* unit = limit == Limit::kMemory ? "gb_per_second" : "tflops";
  rows_.push_back({{"op", name},
                   {"us", taken * 1e6},
                   {unit, rate / (limit == Limit::kMemory ? 1e9 : 1e12)},
                   {"share", share}});
  std::fprintf(stderr, "%-44s %10.1f us %8.1f %s %6.1f %%\n", name.c_str(), taken * 1e6,
               rate / (limit == Limit::kMemory ? 1e9 : 1e12), limit == Limit::kMemory ? "GB/s   " : "TFLOP/s",
               100 * share);
}

void GpuOpsBench::rows(const LayerShape& shape, int64_t tokens) {
  const auto name = [&](const char* op) { return fmt::format("{} T={} {}", shape.name, tokens, op); };
  Arena arena("rows", device_);
  const DType dtype = device_.activation_dtype();
  const double size = dtype_bits(dtype) / 8.0, row_bytes = size * static_cast<double>(tokens * shape.width);
  const auto x = several(arena, dtype, {tokens, shape.width}, 2 * row_bytes),
             y = several(arena, dtype, {tokens, shape.width}, 2 * row_bytes);
  const auto z = several(arena, dtype, {tokens, shape.width}, 2 * row_bytes);
  const size_t n = x.size();
  const Tensor w = random(arena, DType::kBF16, {shape.width}), rstd = random(arena, DType::kF32, {tokens}),
               dw = random(arena, DType::kF32, {shape.width});
  time(name("norm"), Limit::kMemory,
       [&](size_t i) { return RmsNorm{.x = x[i % n], .w = w, .y = y[i % n], .rstd = {}}; });
  time(name("norm backward"), Limit::kMemory, [&](size_t i) {
    return RmsNormBackward{.x = x[i % n], .w = w, .rstd = rstd, .dy = y[i % n], .dx = z[i % n], .dw = dw};
  });

  std::vector<double> turns(static_cast<size_t>(shape.head_dim / 2));
  for (size_t i = 0; i < turns.size(); ++i) turns[i] = 1.0 / static_cast<double>(i + 1);
  std::vector<int32_t> places(static_cast<size_t>(tokens)), words(static_cast<size_t>(tokens));
  std::iota(places.begin(), places.end(), 0);
  std::mt19937 engine(2);
  for (int32_t& word : words)
    word = static_cast<int32_t>(std::exp(static_cast<double>(engine()) * 0x1p-32 * std::log(128256.0))) -
           1;  // Zipf's law.
  const Tensor frequencies = arena.tensor(DType::kF64, {shape.head_dim / 2}),
               positions = integers(arena, places), ids = integers(arena, words);
  device_.copy(
      {.data = reinterpret_cast<std::byte*>(turns.data()), .dtype = DType::kF64, .shape = frequencies.shape},
      frequencies);
  const auto heads = [&](const Tensor& tensor, int64_t count) {
    return tensor.rows(0, tokens).reshaped({tokens, count, shape.head_dim});
  };
  time(name("rope"), Limit::kMemory, [&](size_t i) {
    return Rope{.x = heads(x[i % n], shape.heads), .positions = positions, .frequencies = frequencies};
  });
  const Tensor table = random(arena, DType::kBF16, {shape.vocab, shape.width});
  time(name("embed"), Limit::kMemory,
       [&](size_t i) { return Embed{.ids = ids, .table = table, .y = y[i % n]}; });
  time(name("embed backward"), Limit::kMemory,
       [&](size_t i) { return EmbedBackward{.ids = ids, .dy = y[i % n], .dtable = table}; });
  const auto k = several(arena, dtype, {tokens, shape.kv_heads, shape.head_dim}, row_bytes);
  const Tensor keys = random(arena, DType::kBF16, {(tokens + 63) / 64, shape.kv_heads, 64, shape.head_dim});
  const Tensor values = random(arena, DType::kBF16, keys.shape);
  time(name("cache write"), Limit::kMemory, [&](size_t i) {
    return CacheWrite{
        .k = k[i % k.size()], .v = k[(i + 1) % k.size()], .slots = positions, .keys = keys, .values = values};
  });

  Arena wide("feed-forward", device_);
  const Shape gates = {tokens, shape.feed_forward};
  const double gate_bytes = 3 * size * static_cast<double>(gates.elements());
  const auto gate = several(wide, dtype, gates, gate_bytes), up = several(wide, dtype, gates, gate_bytes),
             out = several(wide, dtype, gates, gate_bytes);
  const size_t m = gate.size();
  time(name("swiglu"), Limit::kMemory,
       [&](size_t i) { return SwiGlu{.gate = gate[i % m], .up = up[i % m], .y = out[i % m]}; });
  time(name("swiglu backward"), Limit::kMemory, [&](size_t i) {
    return SwiGluBackward{
        .gate = gate[i % m], .up = up[i % m], .dy = out[i % m], .dgate = gate[i % m], .dup = up[i % m]};
  });
}

void GpuOpsBench::products(const LayerShape& shape, int64_t tokens) {
  const DType dtype = device_.activation_dtype();
  const int64_t query_width = shape.heads * shape.head_dim, key_width = shape.kv_heads * shape.head_dim;
  struct Product {
    const char* name;
    int64_t outputs, inputs;
  };
  for (const Product& p : {Product{"q, o", query_width, shape.width}, Product{"k, v", key_width, shape.width},
                           Product{"gate, up", shape.feed_forward, shape.width},
                           Product{"down", shape.width, shape.feed_forward}}) {
    const auto name = [&](const char* op) {
      return fmt::format("{} T={} {} {}", shape.name, tokens, op, p.name);
    };
    if (!is_wanted(name("linear")) && !is_wanted(name("linear dx")) && !is_wanted(name("linear dw")))
      continue;
    Arena arena("product", device_);
    const Tensor x = random(arena, dtype, {tokens, p.inputs}), y = random(arena, dtype, {tokens, p.outputs});
    const auto w =
        several(arena, DType::kBF16, {p.outputs, p.inputs}, 2.0 * static_cast<double>(p.outputs * p.inputs));
    const size_t n = w.size();
    const Limit limit = tokens < 256 ? Limit::kMemory : Limit::kArithmetic;
    time(name("linear"), limit,
         [&](size_t i) { return Linear{.x = x, .w = {.values = w[i % n]}, .y = y, .residual = {}}; });
    if (tokens < 256) continue;
    time(name("linear dx"), limit, [&](size_t i) {
      return LinearInputGradient{.dy = y, .w = {.values = w[i % n]}, .dx = x, .residual = {}};
    });
    time(name("linear dw"), limit,
         [&](size_t i) { return LinearWeightGradient{.dy = y, .x = x, .dw = w[i % n], .operands = dtype}; });
    const Tensor sums = random(arena, DType::kF32, {p.outputs, p.inputs});
    time(name("linear dw f32"), limit,
         [&](size_t) { return LinearWeightGradient{.dy = y, .x = x, .dw = sums, .operands = dtype}; });
  }
}

// One document: causal attention's products are half of a square.
void GpuOpsBench::packed_attention(const LayerShape& shape, int64_t tokens) {
  const auto name = [&](const char* op) { return fmt::format("{} T={} {}", shape.name, tokens, op); };
  if (!is_wanted(name("attention")) && !is_wanted(name("attention backward"))) return;
  Arena arena("attention", device_);
  const DType dtype = device_.activation_dtype();
  const Shape queries = {tokens, shape.heads, shape.head_dim},
              keys = {tokens, shape.kv_heads, shape.head_dim};
  const Tensor q = random(arena, dtype, queries), k = random(arena, dtype, keys),
               v = random(arena, dtype, keys), y = arena.tensor(dtype, queries);
  const Tensor lse = arena.tensor(DType::kF32, {tokens, shape.heads}),
               starts = integers(arena, std::vector<int32_t>(static_cast<size_t>(tokens)));
  const Tensor dy = random(arena, dtype, queries), dq = arena.tensor(dtype, queries),
               dk = arena.tensor(dtype, keys), dv = arena.tensor(dtype, keys);
  const double pairs = static_cast<double>(tokens) * static_cast<double>(tokens + 1) / 2;
  const PackedAttention forward{.q = q, .k = k, .v = v, .starts = starts, .y = y, .lse = lse, .pairs = pairs};
  time(name("attention"), Limit::kArithmetic, [&](size_t) { return forward; });
  run(device_, forward);  // Gives lse, whether it was asked for or not.
  time(name("attention backward"), Limit::kArithmetic, [&](size_t) {
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
                                   .pairs = pairs};
  });
}

// One new token of each sequence.
void GpuOpsBench::cached_attention(const LayerShape& shape, const Decoded& decoded) {
  constexpr int64_t kPage = 64;
  const int64_t sequences = decoded.sequences, length = decoded.length;
  const std::string name = fmt::format("{} attention of {} to {}", shape.name, sequences, length);
  if (!is_wanted(name)) return;
  Arena arena("cache", device_);
  const Shape cache = {sequences * length / kPage, shape.kv_heads, kPage, shape.head_dim};
  const auto keys = several(arena, DType::kBF16, cache, 2.0 * static_cast<double>(cache.elements())),
             values = several(arena, DType::kBF16, cache, 2.0 * static_cast<double>(cache.elements()));
  std::vector<int32_t> pages(static_cast<size_t>(cache[0])), starts(static_cast<size_t>(sequences + 1));
  std::iota(pages.begin(), pages.end(), 0);
  std::iota(starts.begin(), starts.end(), 0);
  const Tensor table = integers(arena, pages).reshaped({sequences, length / kPage}),
               row_starts = integers(arena, starts);
  const Tensor lengths =
      integers(arena, std::vector<int32_t>(static_cast<size_t>(sequences), static_cast<int32_t>(length)));
  const Tensor q = random(arena, device_.activation_dtype(), {sequences, shape.heads, shape.head_dim}),
               y = arena.tensor(q.dtype, q.shape);
  time(name, Limit::kMemory, [&](size_t i) {
    return CachedAttention{.q = q,
                           .keys = keys[i % keys.size()],
                           .values = values[i % keys.size()],
                           .page_table = table,
                           .row_starts = row_starts,
                           .lengths = lengths,
                           .y = y,
                           .max_new_tokens = 1,
                           .max_length = length};
  });
}

void GpuOpsBench::head(const LayerShape& shape, int64_t tokens) {
  const auto name = [&](const char* op) { return fmt::format("{} T={} {}", shape.name, tokens, op); };
  Arena arena("head", device_);
  const DType dtype = device_.activation_dtype();
  const Tensor hidden = random(arena, dtype, {tokens, shape.width}),
               dhidden = random(arena, dtype, hidden.shape);
  const Tensor w = random(arena, DType::kBF16, {shape.vocab, shape.width}),
               dhead = random(arena, DType::kBF16, w.shape);
  std::vector<int32_t> words(static_cast<size_t>(tokens));
  std::vector<double> ones(words.size(), 1e-3);
  for (size_t t = 0; t < words.size(); ++t) words[t] = static_cast<int32_t>(t * 7919 % 128256);
  const Tensor targets = integers(arena, words), coefficients = arena.tensor(DType::kF64, {tokens}),
               logp = arena.tensor(DType::kF64, {tokens});
  device_.copy(
      {.data = reinterpret_cast<std::byte*>(ones.data()), .dtype = DType::kF64, .shape = coefficients.shape},
      coefficients);
  time(name("target log-probs"), Limit::kArithmetic, [&](size_t) {
    return TargetLogProbs{.hidden = hidden, .head = {.values = w}, .targets = targets, .logp = logp};
  });
  time(name("cross-entropy backward"), Limit::kArithmetic, [&](size_t) {
    return CrossEntropyBackward{.hidden = hidden,
                                .head = {.values = w},
                                .targets = targets,
                                .coefficients = coefficients,
                                .dhidden = dhidden,
                                .dhead = dhead,
                                .logp = logp};
  });
  const Tensor logits = random(arena, DType::kF32, {std::min<int64_t>(tokens, 512), shape.vocab});
  time(name("log_probs (512 rows at most)"), Limit::kMemory, [&](size_t) {
    return LogProbs{
        .logits = logits, .targets = targets.rows(0, logits.dim(0)), .logp = logp.rows(0, logits.dim(0))};
  });
}

void GpuOpsBench::optimizer() {
  constexpr int64_t kCount = int64_t{14336} * 4096;
  Arena arena("optimizer", device_);
  const Tensor f32[] = {random(arena, DType::kF32, {kCount}), random(arena, DType::kF32, {kCount}),
                        random(arena, DType::kF32, {kCount}), random(arena, DType::kF32, {kCount})};
  const Tensor bf16[] = {random(arena, DType::kBF16, {kCount}), random(arena, DType::kBF16, {kCount}),
                         random(arena, DType::kBF16, {kCount}), random(arena, DType::kBF16, {kCount})};
  const Tensor sum = arena.tensor(DType::kF64, {1});
  device_.zero(f32[3]), device_.zero(bf16[3]);  // Second moments are not negative.
  const auto adamw = [&](const Tensor& w, const Tensor& g, const Tensor& m, const Tensor& v,
                         const Tensor& rounded) {
    return AdamW{.weights = w,
                 .gradient = g,
                 .first = m,
                 .second = v,
                 .rounded = rounded,
                 .learning_rate = 1e-5,
                 .weight_decay = 0.1};
  };
  time("adamw f32", Limit::kMemory, [&](size_t) { return adamw(f32[0], f32[1], f32[2], f32[3], bf16[0]); });
  time("adamw f32, moments bf16", Limit::kMemory,
       [&](size_t) { return adamw(f32[0], f32[1], bf16[2], bf16[3], bf16[0]); });
  time("adamw bf16", Limit::kMemory, [&](size_t) { return adamw(bf16[0], bf16[1], bf16[2], bf16[3], {}); });
  time("squared norm f32", Limit::kMemory, [&](size_t) { return SquaredNorm{.x = f32[1], .sum = sum}; });
  time("squared norm bf16", Limit::kMemory, [&](size_t) { return SquaredNorm{.x = bf16[1], .sum = sum}; });
}

}  // namespace

nlohmann::ordered_json bench_ops_on_gpu(Device& device, const std::string& only) {
  GpuOpsBench bench(device, only);
  for (const int64_t tokens : {1, 32, 2048, 8192}) bench.rows(k8b, tokens);
  bench.optimizer();
  for (const int64_t tokens : {2048, 8192}) bench.packed_attention(k8b, tokens);
  for (const int64_t head_dim : {80, 96}) {  // Of other models
    LayerShape shape = k8b;
    shape.name = fmt::format("heads of {}", head_dim), shape.head_dim = head_dim;
    bench.packed_attention(shape, 2048);
  }
  for (const auto& [sequences, length] :
       {std::pair<int64_t, int64_t>{1, 512}, {1, 2048}, {1, 8192}, {1, 131072}, {32, 512}, {64, 4096}})
    bench.cached_attention(k8b, {.sequences = sequences, .length = length});
  for (const int64_t tokens : {2048, 8192}) bench.head(k8b, tokens);
  for (const LayerShape& shape : {k8b, k70b})
    for (const int64_t tokens : {16, 32, 64, 2048, 8192}) bench.products(shape, tokens);
  return bench.report();
}

}  // namespace poro
