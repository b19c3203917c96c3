#include "train/memory_plan.h"

#include <algorithm>

#include "model/tensor_ranks.h"
#include "model/weights.h"

namespace poro {
namespace {

double elements_of(const LlamaConfig& config) {
  double sum = 0;
  for (const WeightSpec& spec : weight_table(config)) sum += static_cast<double>(spec.shape.elements());
  return sum;
}

// Of what takes turns in memory when pieces are shared out: one block, the embedding, the head.
double elements_in_turn(const LlamaConfig& config) {
  LlamaConfig one = config;
  one.num_layers = 1;
  return elements_of(one);
}

// As Llama::Activations makes them; `c` is one rank's part of the model.
double activation_elements(const MemoryRequest& r, const LlamaConfig& c) {
  const auto wide = [](int64_t value) { return static_cast<double>(value); };
  const double C = wide(c.hidden_size), F = wide(c.intermediate_size), L = wide(c.num_layers);
  const double query = wide(c.num_heads * c.head_dim), key = wide(c.num_kv_heads * c.head_dim);
  const double stream = C / wide(r.tensor_ranks);  // What lies between the matrices is split by tokens.
  const double cheap = 2 * C + F;
  const double products = 2 * query + 2 * key + 2 * F + stream + wide(c.num_heads) + 2 / wide(r.tensor_ranks);
  const double copies_of_cheap = r.recompute == Recompute::kNone ? L : 1;
  const double copies_of_products = r.recompute == Recompute::kFull ? 1 : L;
  const double gradients = stream + C + 2 * query + 2 * key + 3 * F + (r.tensor_ranks > 1 ? 2 * C : 0);
  return wide(r.max_tokens) *
         ((L + 1) * stream + copies_of_cheap * cheap + copies_of_products * products + C + gradients);
}

std::string amount(double bytes) {
  constexpr double kMebi = 1024.0 * 1024.0;
  return bytes < 1024 * kMebi ? fmt::format("{:.1f} MiB", bytes / kMebi)
                              : fmt::format("{:.2f} GiB", bytes / kMebi / 1024);
}

}  // namespace

std::vector<MemoryRow> plan_memory(const MemoryRequest& r) {
  const LlamaConfig part = part_of_config(r.config, static_cast<int>(r.tensor_ranks));
  const double all = elements_of(part), turn = elements_in_turn(part);
  const double share = all / static_cast<double>(r.replicas);
  const double owned = r.zero >= 1 ? share : all;
  const bool has_master = r.zero == 3 || r.weight_bytes != r.master_bytes;
  // The head's loss holds the logits of a chunk of rows, and the head on its side
  // (ops/cpu/cross_entropy.cpp).
  const double vocab = static_cast<double>(part.vocab_size),
               chunk = std::clamp(33554432.0 / vocab, 64.0, 1024.0);
  const double workspace =
      chunk * vocab * r.activation_bytes + vocab * static_cast<double>(part.hidden_size) * r.weight_bytes;
  return {{"weights", (r.zero == 3 ? turn : all) * r.weight_bytes},
          {"master weights", has_master ? owned * r.master_bytes : 0},
          {"gradients", (r.zero >= 2 ? turn + share : all) * r.master_bytes},
          {"moments", 2 * owned * r.moment_bytes},
          {"activations", activation_elements(r, part) * r.activation_bytes},
          {"workspace", workspace},
          {"copy for checkpoints", owned * (r.master_bytes + 2 * r.moment_bytes)}};
}

double total_bytes(const std::vector<MemoryRow>& rows) {
  double sum = 0;
  for (const MemoryRow& row : rows) sum += row.bytes;
  return sum;
}

std::vector<std::string> memory_table(const std::vector<MemoryRow>& rows) {
  std::vector<std::string> lines;
  for (const MemoryRow& row : rows)
    if (row.bytes > 0) lines.push_back(fmt::format("{:<21} {:>12}", row.name, amount(row.bytes)));
  lines.push_back(fmt::format("{:<21} {:>12}", "together", amount(total_bytes(rows))));
  return lines;
}

}  // namespace poro
