#include "model/generation_memory.h"

#include <algorithm>
#include <cmath>

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

// Memory of a GPU is given out in pieces of this size.
constexpr double kGpuGrain = 2.0 * 1024 * 1024;

double whole_grains(double bytes, double grain) {
  return grain > 0 && bytes >= grain / 2 ? std::ceil(bytes / grain) * grain : bytes;
}

// As Llama::Activations makes them for the longest chunk of a prompt, and logits of 64 rows.
double activation_bytes(const LlamaConfig& config, double element, int64_t max_tokens, int ranks) {
  const int64_t streams = ranks > 1 ? 3 : 2;
  const double width =
      static_cast<double>(streams * config.hidden_size + 2 * config.num_heads * config.head_dim +
                          2 * config.num_kv_heads * config.head_dim + 2 * config.intermediate_size);
  return width * element * static_cast<double>(max_tokens) +
         64.0 * 4 * static_cast<double>(config.vocab_size);
}

// cuBLAS's workspace, kernels and graphs, which take memory as they are first used, and for prompts on
// quantised weights the largest matrix of a block as bf16.
double workspace_bytes(const LlamaConfig& config, DType weights) {
  constexpr double kFixed = 320.0 * 1024 * 1024;
  const bool is_quantised = weights == DType::kF8 || weights == DType::kI8 || weights == DType::kI4;
  return kFixed +
         (is_quantised ? 2.0 * static_cast<double>(config.intermediate_size * config.hidden_size) : 0);
}

double stored_bytes(const WeightSpec& spec, DType dtype) {
  // Embedding and norms stay as they are, and the head of an int4 model keeps 8 bits.
  const bool is_plain = !spec.has_decay || spec.name == "model.embed_tokens.weight";
  const bool is_head = spec.name == "lm_head.weight";
  const double bits = is_plain ? std::max(16.0, bits_of(dtype == DType::kF32 ? DType::kF32 : DType::kBF16))
                      : is_head && dtype == DType::kI4 ? bits_of(DType::kI8)
                                                       : bits_of(dtype);
  return static_cast<double>(spec.shape.elements()) * bits / 8;
}

// A part of a model: some of its blocks, and its ends.
struct ModelPart {
  int64_t num_layers = 0;
  bool has_embedding = true, has_head = true;
};

double weight_bytes(const LlamaConfig& config, const ModelPart& part, DType dtype, double grain) {
  LlamaConfig some = config;
  some.num_layers = part.num_layers;
  double bytes = 0;
  for (const WeightSpec& spec : weight_table(some)) {
    const bool is_embedding = spec.name == "model.embed_tokens.weight",
               is_end = spec.name == "lm_head.weight" || spec.name == "model.norm.weight";
    if ((is_embedding && !part.has_embedding) || (is_end && !part.has_head)) continue;
    bytes += whole_grains(stored_bytes(spec, dtype), grain);
  }
  // A tied head is the embedding itself, but where that lies elsewhere, and for quantised models, where it is
  // quantised beside it.
  const double table = static_cast<double>(config.vocab_size * config.hidden_size);
  if (config.has_tied_head && part.has_head && (bits_of(dtype) < 16 || !part.has_embedding))
    bytes += table * (bits_of(dtype) < 16 ? 8.125 : bits_of(dtype)) / 8;
  return bytes;
}

double cache_bytes(const LlamaConfig& config, int64_t num_layers, int64_t positions, DType dtype) {
  const KvCache::Part part{.device = nullptr, .num_layers = num_layers, .dtype = dtype};
  return static_cast<double>(
      KvCache::bytes(part, config, {.max_positions = std::max<int64_t>(positions, 1)}));
}

// Without --context a model that does not fit gets this many positions, and one that fits is split rather
// than left with fewer.
constexpr int64_t kUsualContext = 4096;

int64_t usual_context(const LlamaConfig& config) {
  return std::min(config.max_positions, kUsualContext);
}

// Everything on the GPU. Where no context is asked for, as much as fits, if anything does.
GenerationMemory whole(const GenerationNeeds& needs) {
  const LlamaConfig config = part_of_config(needs.config, needs.ranks);
  const double element = needs.weights == DType::kF32 ? 4 : 2;
  GenerationMemory plan{
      .gpu = {.weights = weight_bytes(config, {.num_layers = config.num_layers}, needs.weights, kGpuGrain),
              .activations = activation_bytes(config, element, Llama::kMaxTokensOnGpu, needs.ranks),
              .workspace = workspace_bytes(config, needs.weights)},
      .gpu_layers = config.num_layers};
  constexpr int64_t kGrain = 64;
  const double room = std::max(needs.free - plan.gpu.total(), 0.0),
               each = cache_bytes(config, config.num_layers, kGrain, needs.cache);
  const int64_t fitting = std::min(config.max_positions, static_cast<int64_t>(room / each) * kGrain);
  plan.context = needs.context.value_or(fitting);
  plan.gpu.cache = cache_bytes(config, config.num_layers, plan.context, needs.cache);
  return plan;
}

// Of `gpu_layers` blocks on the GPU, with the head; the rest on the processor, in types that it has.
GenerationMemory split(const GenerationNeeds& needs, int64_t gpu_layers) {
  const LlamaConfig& config = needs.config;
  const int64_t others = config.num_layers - gpu_layers,
                context = needs.context.value_or(usual_context(config)), tokens = Llama::kMaxTokens;
  const DType host_weights = needs.weights == DType::kF8 ? DType::kI8 : needs.weights,
              host_cache = needs.cache == DType::kF8 ? DType::kBF16 : needs.cache;
  const double arriving = 4.0 * static_cast<double>(tokens * config.hidden_size);
  const double pool = cache_bytes(config, 1, context, needs.cache) / 2;  // Keys, or values.
  return {
      .gpu = {.weights = weight_bytes(config, {.num_layers = gpu_layers, .has_embedding = false},
                                      needs.weights, kGpuGrain),
              .cache = 2.0 * static_cast<double>(gpu_layers) * whole_grains(pool, kGpuGrain),
              .activations =
                  activation_bytes(config, needs.weights == DType::kF32 ? 4 : 2, tokens, 1) + arriving,
              .workspace = workspace_bytes(config, needs.weights)},
      .host = {.weights = weight_bytes(config, {.num_layers = others, .has_head = false}, host_weights, 0),
               .cache = others > 0 ? cache_bytes(config, others, context, host_cache) : 0,
               .activations = activation_bytes(config, 4, tokens, 1),
               .workspace = 4.0 * static_cast<double>(tokens * config.intermediate_size)},
      .context = context,
      .gpu_layers = gpu_layers,
      .is_split = true};
}

bool fits(const GenerationMemory& plan, const GenerationNeeds& needs) {
  return plan.context >= 1 && plan.gpu.total() <= needs.free &&
         (!plan.is_split || plan.host.total() <= needs.free_on_host);
}

// As many blocks as fit, none where not even one does.
int64_t most_gpu_layers(const GenerationNeeds& needs) {
  int64_t layers = 0;
  while (layers < needs.config.num_layers && split(needs, layers + 1).gpu.total() <= needs.free) ++layers;
  return layers;
}

bool asks_for_all(const GenerationNeeds& needs) {
  return needs.gpu_layers.value_or(0) >= needs.config.num_layers;
}

bool may_split(const GenerationNeeds& needs) {
  return needs.ranks == 1 && needs.free_on_host > 0 && !asks_for_all(needs);
}

std::optional<GenerationMemory> find_plan(const GenerationNeeds& needs) {
  const GenerationMemory all = whole(needs);
  const bool fits_whole = fits(all, needs) && (!needs.gpu_layers || asks_for_all(needs));
  const bool is_usual = needs.context || all.context >= usual_context(needs.config);
  if (fits_whole && (is_usual || !may_split(needs))) return all;
  if (may_split(needs)) {
    const int64_t layers = needs.gpu_layers.value_or(most_gpu_layers(needs));
    if (layers > 0)
      if (const GenerationMemory plan = split(needs, layers); fits(plan, needs)) return plan;
  }
  return fits_whole ? std::optional(all) : std::nullopt;
}

// What to ask for instead.
std::string advice(const GenerationNeeds& needs) {
  GenerationNeeds other = needs;
  if (needs.gpu_layers) {
    other.gpu_layers.reset();
    if (const auto plan = find_plan(other); plan && plan->gpu_layers < *needs.gpu_layers)
      return fmt::format("--gpu-layers {} would fit", plan->gpu_layers);
  }
  if (needs.context) {
    other.context.reset();
    if (const auto plan = find_plan(other); plan && plan->context < *needs.context)
      return fmt::format("--context {} would fit", plan->context);
  }
  for (const auto& [name, dtype] : {std::pair{"fp8", DType::kF8}, std::pair{"int4", DType::kI4}}) {
    if (bits_of(dtype) >= bits_of(needs.weights)) continue;
    other.weights = dtype;
    other.context = std::min(usual_context(needs.config), needs.context.value_or(kUsualContext));
    if (const auto plan = find_plan(other))
      return fmt::format("--dtype {} would fit{}", name,
                         plan->is_split ? fmt::format(", with {} of {} blocks on the GPU", plan->gpu_layers,
                                                      needs.config.num_layers)
                                        : "");
  }
  const DType on_host = needs.weights == DType::kF8 ? DType::kI8 : needs.weights;
  const bool fits_host =
      needs.free_on_host > weight_bytes(needs.config, {.num_layers = needs.config.num_layers}, on_host, 0);
  return fmt::format("use {}a GPU with more memory, or more of them (mpirun -n 2)",
                     fits_host || needs.free_on_host == 0 ? "--device cpu, " : "");
}

// What would put all of a model that is split onto the GPU, which is many times faster.
std::string advice_for_speed(const GenerationNeeds& needs) {
  for (const auto& [name, dtype] : {std::pair{"fp8", DType::kF8}, std::pair{"int4", DType::kI4}}) {
    GenerationNeeds other = needs;
    other.weights = dtype;
    if (bits_of(dtype) < bits_of(needs.weights) && fits(whole(other), other))
      return fmt::format("--dtype {} would fit whole", name);
  }
  return "more GPUs (mpirun -n 2) hold more";
}

[[noreturn]] void fail_without_room(const GenerationNeeds& needs) {
  const bool is_split = may_split(needs);
  const int64_t layers =
      is_split ? needs.gpu_layers.value_or(std::max<int64_t>(most_gpu_layers(needs), 1)) : 0;
  const GenerationMemory plan = is_split ? split(needs, layers) : whole(needs);
  // A model that is split lacks memory of the processor, unless too many blocks are to be on the GPU.
  const bool is_gpu = !is_split || plan.gpu.total() > needs.free;
  const MemoryShare& share = is_gpu ? plan.gpu : plan.host;
  const double free = is_gpu ? needs.free : needs.free_on_host;
  fail(
      "{}the model needs {:.1f} GiB of {} (weights {:.1f}, cache of {} positions {:.1f}), and {:.1f} GiB are "
      "free: {:.1f} too much; {}",
      is_split ? fmt::format("with {} of {} blocks on the GPU ", layers, needs.config.num_layers) : "",
      share.total() / kGibi, is_gpu ? "the GPU" : "the processor's memory", share.weights / kGibi,
      std::max<int64_t>(plan.context, 1), share.cache / kGibi, free / kGibi, (share.total() - free) / kGibi,
      advice(needs));
}

}  // namespace

double weight_bytes(const LlamaConfig& config, DType dtype) {
  return weight_bytes(config, {.num_layers = config.num_layers}, dtype, 0);
}

double working_bytes(const Llama& model) {
  const DType weights = model.weights().layers[0].q.dtype();
  const LlamaConfig config = part_of_config(model.config(), model.num_ranks());
  return activation_bytes(config, weights == DType::kF32 ? 4 : 2, model.max_tokens(), model.num_ranks()) +
         workspace_bytes(config, weights);
}

GenerationMemory plan_gpu_memory(const GenerationNeeds& needs) {
  if (const auto plan = find_plan(needs)) return *plan;
  fail_without_room(needs);
}

std::string describe(const MemoryShare& memory, int64_t context) {
  return fmt::format(
      "weights {:.2f} GiB, cache of {} positions {:.2f}, activations {:.2f}, workspace {:.2f}: together "
      "{:.2f} GiB",
      memory.weights / kGibi, context, memory.cache / kGibi, memory.activations / kGibi,
      memory.workspace / kGibi, memory.total() / kGibi);
}

std::vector<std::string> describe(const GenerationMemory& memory, const GenerationNeeds& needs) {
  const auto line = [&](const std::string& what, const MemoryShare& share, double free) {
    return fmt::format("{}{} of {:.2f} free", what, describe(share, memory.context), free / kGibi);
  };
  if (!memory.is_split) return {line("", memory.gpu, needs.free)};
  GenerationNeeds alone = needs;
  alone.context = memory.context;
  const std::string why =
      needs.gpu_layers
          ? "as --gpu-layers asks"
          : fmt::format("since the whole model would be {:.2f} GiB too much for the GPU; {}",
                        (whole(alone).gpu.total() - needs.free) / kGibi, advice_for_speed(alone));
  return {line(fmt::format("{} of {} blocks and the head, ", memory.gpu_layers, needs.config.num_layers),
               memory.gpu, needs.free),
          fmt::format(
              "{}, {}",
              line(fmt::format("the embedding and {} blocks, ", needs.config.num_layers - memory.gpu_layers),
                   memory.host, needs.free_on_host),
              why)};
}

}  // namespace poro
