#include "model/generation_memory.h"

#include <algorithm>

#include "base/error.h"
#include "model/kv_cache.h"
#include "model/llama.h"
#include "model/weights.h"

namespace poro {
namespace {

constexpr double kGibi = 1024.0 * 1024.0 * 1024.0;

// Bits of a weight in a matrix, its share of the scales included.
double bits_of(DType dtype) {
  switch (dtype) {
    case DType::kI8:
      return 8.125;
    case DType::kI4:
      return 4.25;
    default:
      return dtype_bits(dtype);
  }
}

// As Llama::Activations makes them for the longest chunk of a prompt, and logits of 64 rows.
double activation_bytes(const LlamaConfig& config, const MemoryRequest& request) {
  const double element = request.weights == DType::kF32 ? 4 : 2;
  const int64_t streams = request.ranks > 1 ? 3 : 2;
  const double width =
      static_cast<double>(streams * config.hidden_size + 2 * config.num_heads * config.head_dim +
                          2 * config.num_kv_heads * config.head_dim + 2 * config.intermediate_size);
  return width * element * Llama::kMaxTokensOnGpu + 64.0 * 4 * static_cast<double>(config.vocab_size);
}

// cuBLAS's workspace, and for prompts on quantised weights the largest matrix of a block as bf16.
double workspace_bytes(const LlamaConfig& config, DType weights) {
  constexpr double kFixed = 192.0 * 1024 * 1024;
  const bool is_quantised = weights == DType::kF8 || weights == DType::kI8 || weights == DType::kI4;
  return kFixed +
         (is_quantised ? 2.0 * static_cast<double>(config.intermediate_size * config.hidden_size) : 0);
}

}  // namespace

double weight_bytes(const LlamaConfig& config, DType dtype) {
  double bytes = 0;
  for (const WeightSpec& spec : weight_table(config)) {
    // Embedding and norms stay as they are, and the head of an int4 model keeps 8 bits.
    const bool is_plain = !spec.has_decay || spec.name == "model.embed_tokens.weight";
    const bool is_head = spec.name == "lm_head.weight";
    const double bits = is_plain ? std::max(16.0, bits_of(dtype == DType::kF32 ? DType::kF32 : DType::kBF16))
                        : is_head && dtype == DType::kI4 ? bits_of(DType::kI8)
                                                         : bits_of(dtype);
    bytes += static_cast<double>(spec.shape.elements()) * bits / 8;
  }
  // A tied head is the embedding itself, but for quantised models, where it is quantised beside it.
  if (config.has_tied_head && bits_of(dtype) < 16)
    bytes += static_cast<double>(config.vocab_size * config.hidden_size) * 8.125 / 8;
  return bytes;
}

GenerationMemory plan_gpu_memory(const MemoryRequest& request) {
  const LlamaConfig config = part_of_config(request.config, request.ranks);
  const DType weights = request.weights;
  const std::optional<int64_t> context = request.context;
  const double free = request.free;
  const auto cache_bytes = [&](int64_t positions) {
    return static_cast<double>(KvCache::bytes(config, {.max_positions = positions, .dtype = request.cache}));
  };
  GenerationMemory plan{.weights = weight_bytes(config, weights),
                        .activations = activation_bytes(config, request),
                        .workspace = workspace_bytes(config, weights)};
  const double room = free - plan.total();
  constexpr int64_t kGrain = 64;
  const int64_t fitting = std::min(config.max_positions,
                                   static_cast<int64_t>(std::max(room, 0.0) / cache_bytes(kGrain)) * kGrain);
  plan.context = context.value_or(fitting);
  plan.cache = cache_bytes(std::max<int64_t>(plan.context, 1));
  if (plan.context >= 1 && plan.total() <= free) return plan;
  const double least = plan.total() - plan.cache + cache_bytes(std::min<int64_t>(config.max_positions, 2048));
  std::string advice;
  if (context && fitting > 0) advice = fmt::format("--context {} would fit", fitting);
  for (const auto& [name, dtype] : {std::pair{"fp8", DType::kF8}, std::pair{"int4", DType::kI4}})
    if (advice.empty() && least - plan.weights + weight_bytes(config, dtype) <= free)
      advice = fmt::format("--dtype {} would fit", name);
  if (advice.empty()) advice = "use --device cpu, a GPU with more memory, or more of them (mpirun -n 2)";
  fail(
      "the model needs {:.1f} GiB of the GPU (weights {:.1f}, cache of {} positions {:.1f}), and {:.1f} GiB "
      "are free: {:.1f} too "
      "much; {}",
      plan.total() / kGibi, plan.weights / kGibi, std::max<int64_t>(plan.context, 1), plan.cache / kGibi,
      free / kGibi, (plan.total() - free) / kGibi, advice);
}

std::string describe(const GenerationMemory& memory) {
  return fmt::format(
      "weights {:.2f} GiB, cache of {} positions {:.2f}, activations {:.2f}, workspace {:.2f}: together "
      "{:.2f} GiB",
      memory.weights / kGibi, memory.context, memory.cache / kGibi, memory.activations / kGibi,
      memory.workspace / kGibi, memory.total() / kGibi);
}

}  // namespace poro
