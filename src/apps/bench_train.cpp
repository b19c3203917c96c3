// `poro bench train`: whole optimizer steps over random tokens, beside the peak of the unit that multiplies,
// measured in the same run; and where the time of a step goes, op by op.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/bench.h"
#include "apps/limits.h"
#include "apps/model_options.h"
#include "base/error.h"
#include "base/file.h"
#include "ops/random_fill.h"
#include "ops/trace.h"
#include "train/console.h"
#include "train/trainer.h"

namespace poro {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

struct Options {
  std::string model = "shape:tiny", dtype = "bf16", moments = "f32", master = "f32", recompute = "none",
              device = "auto";
  int threads = 0, steps = 2;
  int64_t sequence = 2048, micro_batch = 1, accumulation = 1, layers = 0;
};

// A folder of the benchmark's own, gone at its end.
struct TemporaryFolder {
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "poro-bench-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) fail("cannot make the folder {}", pattern);
    path = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

Recipe recipe_of(const Options& options, const fs::path& folder, int64_t vocab_size, int64_t warm_steps) {
  Recipe recipe;
  recipe.stage = Stage::kCpt;
  std::string rows;
  for (int64_t row = 0; row < options.micro_batch * options.accumulation; ++row) {
    Json ids = Json::array();
    for (int64_t i = 0; i < options.sequence; ++i)
      ids.push_back((i * 7919 + row * 104729 + 12345) % vocab_size);
    rows += Json{{"input_ids", ids}}.dump() + "\n";
  }
  write_file_atomic(folder / "rows.jsonl", rows);
  recipe.data.sources = {
      {.path = (folder / "rows.jsonl").string(), .name = "random", .weight = {}, .epochs = {}}};
  recipe.data.cache = (folder / "cache").string();
  recipe.data.sequence_length = options.sequence;
  recipe.data.packing = PackingKind::kNone;
  const auto set = [](const char* option, const std::string& word, auto& value) {
    read_value(ConfigJson(word), option, value);
  };
  set("--dtype", options.dtype, recipe.train.precision);
  set("--moments", options.moments, recipe.optimizer.moments);
  set("--master", options.master, recipe.optimizer.master);
  set("--recompute", options.recompute, recipe.train.recompute);
  recipe.train.global_batch = options.micro_batch * options.accumulation;
  recipe.train.micro_batch = options.micro_batch;
  recipe.train.steps = options.steps + warm_steps + 1;
  return recipe;
}

Json by_op(const Trace& trace, double seconds) {
  Json ops = Json::object();
  for (const auto& [name, total] : trace.totals())
    ops[name] = {{"calls", total.calls},
                 {"seconds", total.seconds},
                 {"share_of_step", total.seconds / seconds},
                 {"gflops", total.flops / total.seconds / 1e9},
                 {"gb_per_second", total.bytes / total.seconds / 1e9}};
  return ops;
}

void bench_train(const Options& options) {
  ModelOptions model{.model = options.model,
                     .device = options.device,
                     .threads = options.threads,
                     .seed = {},
                     .context = {}};
  if (!is_random_shape(model))
    fail("--model {}: the benchmark takes shapes with random weights, shape:1b for one", options.model);
  LlamaConfig config = LlamaConfig::named_shape(options.model.substr(std::string_view("shape:").size()));
  if (options.layers > 0) config.num_layers = std::min(options.layers, config.num_layers);
  const auto device = open_device(model, options.dtype == "f32" ? DType::kF32 : DType::kBF16);
  const auto comm = solo_comm();
  const TemporaryFolder folder;
  const int64_t warm_steps = passes_before_measuring(*device, config.num_layers);
  const Recipe recipe = recipe_of(options, folder.path, config.vocab_size, warm_steps);
  const RowEncoder encoder(folder.path, config.vocab_size, {});
  ThreadPool pool(options.threads);
  const TrainingData data = open_training_data(recipe, encoder, pool, *comm);
  std::unique_ptr<Arena> arena;
  const auto source = [&](const WeightSpec& spec) {
    arena = std::make_unique<Arena>("random weights", *device);
    const Tensor tensor = arena->tensor(DType::kBF16, spec.shape);
    run(*device,
        RandomFill{
            .to = tensor, .seed = 1, .stream = static_cast<uint64_t>(std::hash<std::string>{}(spec.name))});
    return tensor;
  };
  Trainer trainer({.device = *device,
                   .replicas = *comm,
                   .config = config,
                   .recipe = recipe,
                   .data = data,
                   .max_tokens = options.sequence * options.micro_batch},
                  source);
  for (int64_t step = 0; step < warm_steps; ++step) trainer.step();
  std::vector<double> seconds;
  StepReport report;
  for (int step = 0; step < options.steps; ++step) {
    const auto start = Clock::now();
    report = trainer.step();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2], peak = peak_flops(*device, recipe.train.precision);
  // One more step says where the time goes: op by op, each waited for.
  Trace trace;
  device->trace = &trace;
  const auto start = Clock::now();
  trainer.step();
  const double all = std::chrono::duration<double>(Clock::now() - start).count();
  const Json result = {{"model", options.model},
                       {"layers", config.num_layers},
                       {"device", device->name()},
                       {"precision", options.dtype},
                       {"tokens_per_step", report.tokens},
                       {"seconds_per_step", median},
                       {"tokens_per_second", static_cast<double>(report.tokens) / median},
                       {"model_tflops", report.flops / median / 1e12},
                       {"peak_tflops", peak / 1e12},
                       {"share_of_peak", report.flops / median / peak},
                       {"ops", by_op(trace, all)}};
  std::cout << result.dump() << "\n";
}

}  // namespace

void add_bench_train(CLI::App& bench) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      bench.add_subcommand("train", "Tokens per second of whole training steps, optimizer included");
  command->add_option("--model", options->model, "shape:1b, shape:tiny, shape:poro2-8b")
      ->capture_default_str();
  command->add_option("--device", options->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  command->add_option("--master", options->master, "Weights that are updated: f32, or on a GPU bf16")
      ->capture_default_str();
  command->add_option("--layers", options->layers,
                      "Fewer blocks than the shape has, for a machine with less memory; 0: all");
  command->add_option("--sequence", options->sequence, "Tokens of a sequence")->check(CLI::Range(2, 1 << 20));
  command->add_option("--micro-batch", options->micro_batch, "Sequences of a pass")
      ->check(CLI::Range(1, 1024));
  command->add_option("--accumulation", options->accumulation, "Passes of a step")
      ->check(CLI::Range(1, 1024));
  command->add_option("--dtype", options->dtype, "f32 or bf16")->capture_default_str();
  command->add_option("--moments", options->moments, "f32 or bf16")->capture_default_str();
  command->add_option("--recompute", options->recompute, "none, selective or full")->capture_default_str();
  command->add_option("--steps", options->steps, "Measured steps; the median counts")
      ->check(CLI::Range(1, 1000));
  command->add_option("--threads", options->threads,
                      "Threads that compute; 0: every core this process may use");
  command->footer("Example: poro bench train --model shape:1b --sequence 2048 --micro-batch 1");
  command->callback([options] { bench_train(*options); });
}

}  // namespace poro
