// `poro inspect`: what a model is, and the memory it needs, from its configs and headers alone; no weight is
// read.
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/commands.h"
#include "apps/model_options.h"
#include "base/file.h"
#include "model/checkpoint.h"
#include "model/generation_memory.h"
#include "model/kv_cache.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string model;
  bool is_json = false;
};

// The group of the report that a weight belongs to, by its name in the checkpoint.
std::string group_of(const WeightSpec& spec) {
  const auto has = [&](const char* part) { return spec.name.find(part) != std::string::npos; };
  if (!spec.has_decay) return "norms";
  if (has("embed_tokens")) return "embedding";
  if (has("self_attn")) return "attention";
  if (has("mlp")) return "feed_forward";
  return "head";
}

Json memory_table(const LlamaConfig& config) {
  Json rows = Json::array();
  for (const int64_t context : {int64_t{2048}, int64_t{8192}, config.max_positions}) {
    if (context > config.max_positions || (!rows.empty() && rows.back()["context"] == context)) continue;
    const double cache =
        static_cast<double>(KvCache::bytes(config, {.max_positions = context, .dtype = DType::kBF16}));
    rows.push_back({{"context", context},
                    {"kv_cache_bytes", cache},
                    {"bf16_bytes", weight_bytes(config, DType::kBF16) + cache},
                    {"int8_bytes", weight_bytes(config, DType::kI8) + cache},
                    {"int4_bytes", weight_bytes(config, DType::kI4) + cache}});
  }
  return rows;
}

// The value of `license:` in the front matter of the model card, or the name of a licence file, or null.
Json licence_of(const std::filesystem::path& folder) {
  if (std::filesystem::is_regular_file(folder / "README.md")) {
    const std::string card = read_file(folder / "README.md", uint64_t{16} << 20);
    const size_t at = card.find("\nlicense:");
    if (card.rfind("---", 0) == 0 && at != std::string::npos) {
      const size_t first = card.find_first_not_of(' ', at + 9);
      return card.substr(first, card.find('\n', first) - first);
    }
  }
  for (const char* name : {"LICENSE", "LICENSE.txt", "LICENSE.md"})
    if (std::filesystem::is_regular_file(folder / name)) return std::string("see ") + name;
  return nullptr;
}

void add_folder(const std::filesystem::path& folder, Json& report) {
  const Checkpoint checkpoint = Checkpoint::open(folder);
  std::map<std::string, int64_t> dtypes;
  double bytes = 0;
  for (const auto& [name, tensor] : checkpoint.tensors()) {
    ++dtypes[std::string(dtype_name(tensor.dtype))];
    bytes += static_cast<double>(tensor.bytes());
  }
  report["tensors"] = dtypes;
  report["checkpoint_bytes"] = bytes;
  report["tokenizer"] = nullptr;
  report["chat_template"] = nullptr;
  std::optional<Tokenizer> tokenizer;
  if (has_tokenizer(folder)) {
    tokenizer = Tokenizer::load(folder);
    report["tokenizer"] = {{"vocab_size", tokenizer->vocab_size()}};
    if (const auto bos = tokenizer->bos_id()) report["tokenizer"]["bos_id"] = *bos;
  }
  if (has_chat_template(folder)) {
    const ChatTemplate chat_template = ChatTemplate::load(folder);
    report["chat_template"] = {
        {"bytes", chat_template.source().size()},
        {"first_line", chat_template.source().substr(0, chat_template.source().find('\n'))}};
  }
  report["generation_eos_ids"] = GenerationConfig::load(folder).eos_ids;
  report["licence"] = licence_of(folder);
}

Json inspect(const std::string& model) {
  constexpr std::string_view kShape = "shape:";
  const bool is_shape = model.rfind(kShape, 0) == 0;
  const std::filesystem::path folder = is_shape ? "" : model_folder(model);
  const LlamaConfig config =
      is_shape ? LlamaConfig::named_shape(model.substr(kShape.size())) : LlamaConfig::load(folder);
  Json report = {{"model", model}, {"parameters", config.num_parameters()}};
  std::map<std::string, int64_t> groups;
  for (const WeightSpec& spec : weight_table(config)) groups[group_of(spec)] += spec.shape.elements();
  report["parameters_by_group"] = groups;
  report["config"] = config.to_json();
  if (!is_shape) add_folder(folder, report);
  report["memory"] = memory_table(config);
  return report;
}

// Numbers with a unit for people; everything else as it is.
void print(const Json& report) {
  for (const auto& [key, value] : report.items()) {
    if (key == "memory") {
      std::cout << "memory in GB        context      bf16      int8      int4\n";
      for (const Json& row : value)
        std::cout << fmt::format("{:>27}{:>10.1f}{:>10.1f}{:>10.1f}\n", row["context"].get<int64_t>(),
                                 row["bf16_bytes"].get<double>() / 1e9, row["int8_bytes"].get<double>() / 1e9,
                                 row["int4_bytes"].get<double>() / 1e9);
    } else if (value.is_object()) {
      std::cout << key << "\n";
      for (const auto& [name, inner] : value.items())
        std::cout << fmt::format("  {:<32}{}\n", name, inner.dump());
    } else {
      std::cout << fmt::format("{:<34}{}\n", key, value.is_null() ? "none" : value.dump());
    }
  }
}

}  // namespace

void add_inspect(CLI::App& root) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = root.add_subcommand("inspect", "What a model is, and the memory it needs");
  command->add_option("--model", options->model,
                      "A model folder, a hub name, or shape:NAME; default: the model that ships");
  command->add_flag("--json", options->is_json, "One JSON object on standard output");
  command->footer("Example: poro inspect --model shape:poro2-8b");
  command->callback([options] {
    const Json report = inspect(options->model);
    if (options->is_json)
      std::cout << report.dump() << "\n";
    else
      print(report);
  });
}

}  // namespace poro
