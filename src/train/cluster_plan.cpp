#include "train/cluster_plan.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/nearest.h"
#include "model/tensor_ranks.h"
#include "train/console.h"

namespace poro {
namespace {

constexpr double kGiga = 1e9, kTera = 1e12;

// Data sheets: NVIDIA A100 80GB SXM, H100 SXM, H200 SXM; AMD Instinct MI250X, of which a GPU here is one of
// the two dies. Network: one 400 Gb/s adapter a GPU (A100: 200), on LUMI 200 Gb/s for two dies.
const std::vector<Gpu>& gpus() {
  static const std::vector<Gpu> kGpus = {{.name = "a100",
                                          .memory_bytes = 79 * 1.074 * kGiga,
                                          .flops = 312 * kTera,
                                          .link_bytes = 300 * kGiga,
                                          .network_bytes = 25 * kGiga},
                                         {.name = "h100",
                                          .memory_bytes = 79 * 1.074 * kGiga,
                                          .flops = 989 * kTera,
                                          .link_bytes = 450 * kGiga,
                                          .network_bytes = 50 * kGiga},
                                         {.name = "h200",
                                          .memory_bytes = 139 * 1.074 * kGiga,
                                          .flops = 989 * kTera,
                                          .link_bytes = 450 * kGiga,
                                          .network_bytes = 50 * kGiga},
                                         {.name = "mi250x",
                                          .memory_bytes = 63 * 1.074 * kGiga,
                                          .flops = 191.5 * kTera,
                                          .link_bytes = 50 * kGiga,
                                          .network_bytes = 12.5 * kGiga}};
  return kGpus;
}

double parameters(const LlamaConfig& config) {
  return static_cast<double>(config.num_parameters());
}

// 6 for each weight of a matrix, 12 for each pair of tokens, head and element: as Trainer counts, for full
// sequences.
double flops_per_token(const LlamaConfig& config, double sequence, Recompute recompute) {
  const double table = static_cast<double>(config.vocab_size * config.hidden_size),
               matrices = parameters(config) - table;
  const double pairs =
      static_cast<double>(config.num_layers * config.num_heads * config.head_dim) * sequence / 2;
  // What is computed again is the forward pass of the blocks, a third of forward and backward.
  const double again = recompute == Recompute::kFull ? 1.0 / 3 : 0;
  return 6 * matrices + 12 * pairs + again * (6 * (matrices - table) + 12 * pairs);
}

double replica_bytes(const ClusterRequest& r, const ClusterPlan& plan) {
  const ParallelSection& parallel = r.recipe.parallel;
  const double weights = parameters(r.config) / static_cast<double>(parallel.tensor),
               n = static_cast<double>(plan.replicas);
  const double passes = static_cast<double>(plan.accumulation), others = (n - 1) / n;
  constexpr double kGradient = 4, kWeight = 2;             // Bytes
  const double reduced = parallel.zero >= 2 ? passes : 1;  // Gradients in shares are summed after every pass.
  double bytes = others * weights * kGradient * reduced;
  if (parallel.zero == 0) return 2 * bytes;  // Summed, and given to all again.
  return bytes + others * weights * kWeight * (parallel.zero == 3 ? 2 * passes : 1);
}

double tensor_bytes(const ClusterRequest& r, double tokens_of_pass, double passes) {
  const double ranks = static_cast<double>(r.recipe.parallel.tensor);
  // Two gathers and two scatters of all tokens' states in each block forward, as many backward, and what
  // recomputing repeats.
  const double messages = r.recipe.train.recompute == Recompute::kFull        ? 12
                          : r.recipe.train.recompute == Recompute::kSelective ? 10
                                                                              : 8;
  constexpr double kState = 2;  // Bytes
  return messages * static_cast<double>(r.config.num_layers * r.config.hidden_size) * tokens_of_pass *
         kState * passes * (ranks - 1) / ranks;
}

}  // namespace

Gpu named_gpu(const std::string& name) {
  std::vector<std::string> names;
  for (const Gpu& gpu : gpus()) {
    if (gpu.name == name) return gpu;
    names.push_back(gpu.name);
  }
  std::string list;
  for (const std::string& known : names) list += (list.empty() ? "" : ", ") + known;
  fail("--gpu {} is none of {}{}", name, list, suggestion(name, names));
}

bool ClusterPlan::fits() const {
  return total_bytes(memory) <= gpu_memory;
}

ClusterPlan plan_cluster(const ClusterRequest& r) {
  const TrainSection& train = r.recipe.train;
  ClusterPlan plan{.gpus = r.nodes * r.gpus_per_node, .gpu_memory = r.gpu.memory_bytes};
  check_ranks(r.recipe, static_cast<int>(plan.gpus));
  if (r.recipe.parallel.tensor > r.gpus_per_node)
    fail(
        "parallel.tensor = {} is more than the {} GPUs of a node; the ranks of a matrix talk too much for "
        "the network",
        r.recipe.parallel.tensor, r.gpus_per_node);
  plan.replicas = plan.gpus / r.recipe.parallel.tensor;
  plan.accumulation = train.global_batch / (plan.replicas * train.micro_batch);
  const double answers = r.recipe.stage == Stage::kDpo ? 2 : 1,
               sequence = static_cast<double>(r.recipe.data.sequence_length);
  const double tokens_of_pass = static_cast<double>(train.micro_batch) * sequence * answers;
  plan.tokens_per_step = static_cast<double>(train.global_batch) * sequence * answers;
  if (train.steps) plan.steps = static_cast<double>(*train.steps);
  if (train.tokens) plan.steps = static_cast<double>(*train.tokens) / plan.tokens_per_step;
  if (r.tokens) plan.steps = *r.tokens / plan.tokens_per_step;
  plan.memory = plan_memory({.config = r.config,
                             .max_tokens = static_cast<int64_t>(tokens_of_pass),
                             .replicas = plan.replicas,
                             .tensor_ranks = r.recipe.parallel.tensor,
                             .zero = r.recipe.parallel.zero,
                             .recompute = train.recompute,
                             .moment_bytes = r.recipe.optimizer.moments == Precision::kBf16 ? 2.0 : 4.0,
                             .activation_bytes = 2});
  std::erase_if(plan.memory, [](const MemoryRow& row) { return row.name == "copy for checkpoints"; });
  plan.flops_per_step = plan.tokens_per_step * flops_per_token(r.config, sequence, train.recompute);
  plan.replica_bytes = replica_bytes(r, plan);
  plan.tensor_bytes = tensor_bytes(r, tokens_of_pass, static_cast<double>(plan.accumulation));
  plan.compute_seconds = plan.flops_per_step / (static_cast<double>(plan.gpus) * r.gpu.flops * r.efficiency);
  plan.replica_seconds = plan.replica_bytes / (r.nodes > 1 ? r.gpu.network_bytes : r.gpu.link_bytes);
  plan.tensor_seconds = plan.tensor_bytes / r.gpu.link_bytes;
  plan.step_seconds = std::max(plan.compute_seconds + plan.tensor_seconds, plan.replica_seconds);
  return plan;
}

std::string describe(const ClusterPlan& plan, const ClusterRequest& r) {
  std::string text = fmt::format(
      "{} {} on {} nodes: {} replicas of {} GPUs, {} passes of {} sequences a step\n\nMemory of a GPU\n",
      plan.gpus, r.gpu.name, r.nodes, plan.replicas, r.recipe.parallel.tensor, plan.accumulation,
      r.recipe.train.micro_batch);
  for (const std::string& line : memory_table(plan.memory)) text += "  " + line + "\n";
  text += fmt::format("  {}\n\nA step of {:.0f} tokens\n",
                      plan.fits() ? fmt::format("fits into {:.0f} GiB", plan.gpu_memory / 1073741824.0)
                                  : fmt::format("does NOT fit into {:.0f} GiB: raise parallel.zero or "
                                                "parallel.tensor, or set train.recompute = \"full\"",
                                                plan.gpu_memory / 1073741824.0),
                      plan.tokens_per_step);
  text += fmt::format("  compute        {:8.3f} s   {:.3g} operations at {:.0f} % of {:.0f} TFLOP/s a GPU\n",
                      plan.compute_seconds, plan.flops_per_step, 100 * r.efficiency, r.gpu.flops / kTera);
  text += fmt::format("  tensor ranks   {:8.3f} s   {:.2f} GB a GPU at {:.0f} GB/s, waited for\n",
                      plan.tensor_seconds, plan.tensor_bytes / kGiga, r.gpu.link_bytes / kGiga);
  text += fmt::format("  replicas       {:8.3f} s   {:.2f} GB a GPU at {:.1f} GB/s, behind the computing\n",
                      plan.replica_seconds, plan.replica_bytes / kGiga,
                      (r.nodes > 1 ? r.gpu.network_bytes : r.gpu.link_bytes) / kGiga);
  text += fmt::format("  together       {:8.3f} s   {:.0f} tokens/s, {:.0f} a GPU\n", plan.step_seconds,
                      plan.tokens_per_step / plan.step_seconds,
                      plan.tokens_per_step / plan.step_seconds / static_cast<double>(plan.gpus));
  if (!plan.steps)
    return text + "\nThe recipe does not say how long the run is: name --tokens for its time.\n";
  const double seconds = *plan.steps * plan.step_seconds;
  return text + fmt::format("\nThe run: {:.0f} steps, {:.4g} tokens, {:.1f} hours, {:.0f} GPU-hours\n",
                            std::ceil(*plan.steps), *plan.steps * plan.tokens_per_step, seconds / 3600,
                            seconds / 3600 * static_cast<double>(plan.gpus));
}

}  // namespace poro
