// `poro bench decode`, `prefill` and `load`: the model's speed on this machine, beside the limit measured in the same run.
// Decoding is bound by reading the weights, so its limit is the memory's read rate; a prompt is bound by arithmetic, so its
// limit is the peak of the unit that multiplies.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/bench.h"
#include "apps/limits.h"
#include "apps/model_options.h"
#include "base/error.h"

namespace poro {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

struct Options {
  ModelOptions model;
  int64_t context = 512;  // Positions in the cache before the measurement (decode).
  int64_t tokens = 32;    // Measured tokens.
  int64_t sequences = 1;
  int repetitions = 3;
};

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Ids that look like text to nobody and cost what text costs.
std::vector<int32_t> some_ids(int64_t count, const LlamaConfig& config) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>((i * 7919 + 12345) % config.vocab_size));
  return ids;
}

void fill_cache(Llama& model, KvCache& cache, int64_t sequence, int64_t count) {
  const std::vector<int32_t> ids = some_ids(count, model.config());
  for (int64_t first = 0; first < count; first += Llama::kMaxTokens) {
    const int64_t part = std::min(Llama::kMaxTokens, count - first);
    const SequenceTokens tokens{.sequence = sequence,
                                .ids = std::span(ids).subspan(static_cast<size_t>(first), static_cast<size_t>(part))};
    model.forward({&tokens, 1}, cache);
  }
}

Json header(const Options& options, const Llama& model) {
  return {{"model", options.model.model},
          {"device", model.device().name()},
          {"dtype", dtype_name(model.weights().layers[0].q.dtype())}};
}

// The unit that multiplies weights of this type, whose peak is the limit of a prompt.
Unit product_unit(DType dtype) {
  if (dtype == DType::kI8 || dtype == DType::kI4) return Unit::kInt8;
  return dtype == DType::kBF16 ? Unit::kBf16 : Unit::kF32;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

Cpu& cpu_of(OpenModel& open) {
  if (open.device->is_reference()) fail("the reference device has no limit to be measured against; use --device cpu");
  return open.device->cpu_backend();
}

void bench_decode(const Options& options) {
  OpenModel open = open_model(options.model);
  Cpu& cpu = cpu_of(open);
  Llama& model = *open.llama;
  const int64_t positions = options.context + options.tokens;
  if (positions > model.config().max_positions)
    fail("--context {} and --tokens {} pass the model's limit of {} positions", options.context, options.tokens,
         model.config().max_positions);
  KvCache cache = model.make_cache(options.sequences, positions);
  for (int64_t sequence = 0; sequence < options.sequences; ++sequence) fill_cache(model, cache, sequence, options.context);

  const std::vector<int32_t> ids = some_ids(options.sequences, model.config());
  std::vector<SequenceTokens> batch;
  for (int64_t sequence = 0; sequence < options.sequences; ++sequence)
    batch.push_back({.sequence = sequence, .ids = std::span(ids).subspan(static_cast<size_t>(sequence), 1)});
  Limits limits = measure_limits(cpu);
  std::vector<double> seconds;
  for (int repetition = 0; repetition < options.repetitions; ++repetition) {
    for (int64_t sequence = 0; sequence < options.sequences; ++sequence) cache.truncate(sequence, options.context);
    const auto start = Clock::now();
    for (int64_t token = 0; token < options.tokens; ++token) model.logits(model.forward(batch, cache));
    seconds.push_back(seconds_since(start) / static_cast<double>(options.tokens));
  }
  // The machine may have been busy at either end: the limit is the better of two measurements around the run.
  limits.read_bytes_per_second = std::max(limits.read_bytes_per_second, measure_limits(cpu).read_bytes_per_second);
  const double step = median(seconds);
  const KvCacheOptions filled{.max_sequences = options.sequences, .max_positions = options.context, .page_size = 1,
                              .dtype = cache.keys(0).dtype};
  const double bytes = static_cast<double>(model.bytes_per_token() + KvCache::bytes(model.config(), filled));
  Json result = header(options, model);
  result.update({{"context", options.context},
                 {"sequences", options.sequences},
                 {"tokens_per_second", static_cast<double>(options.sequences) / step},
                 {"bytes_per_step", bytes},
                 {"bytes_per_second", bytes / step},
                 {"limit_bytes_per_second", limits.read_bytes_per_second},
                 {"share", bytes / step / limits.read_bytes_per_second}});
  std::cout << result.dump() << "\n";
}

// Operations of the matrix products for `count` tokens; the head runs for the last one only.
double product_flops(const LlamaConfig& config, int64_t count) {
  const double layer = static_cast<double>(2 * config.num_heads * config.head_dim + 2 * config.num_kv_heads * config.head_dim +
                                           3 * config.intermediate_size) *
                       static_cast<double>(config.hidden_size);
  return 2.0 * layer * static_cast<double>(config.num_layers * count) +
         2.0 * static_cast<double>(config.vocab_size * config.hidden_size);
}

void bench_prefill(const Options& options) {
  OpenModel open = open_model(options.model);
  Cpu& cpu = cpu_of(open);
  Llama& model = *open.llama;
  if (options.tokens > model.config().max_positions)
    fail("--tokens {} passes the model's limit of {} positions", options.tokens, model.config().max_positions);
  KvCache cache = model.make_cache(1, options.tokens);
  const Limits limits = measure_limits(cpu);
  std::vector<double> seconds;
  for (int repetition = 0; repetition < options.repetitions + 1; ++repetition) {
    cache.truncate(0, 0);
    const auto start = Clock::now();
    fill_cache(model, cache, 0, options.tokens);
    seconds.push_back(seconds_since(start));
  }
  seconds.erase(seconds.begin());  // The first touches memory for the first time.
  const double time = median(seconds), flops = product_flops(model.config(), options.tokens);
  const DType dtype = model.weights().layers[0].q.dtype();
  const double peak = limits.peak(product_unit(dtype));
  Json result = header(options, model);
  result.update({{"tokens", options.tokens},
                 {"seconds", time},
                 {"tokens_per_second", static_cast<double>(options.tokens) / time},
                 {"product_flops_per_second", flops / time},
                 {"limit_flops_per_second", peak},
                 {"share", flops / time / peak}});
  std::cout << result.dump() << "\n";
}

void bench_load(const Options& options) {
  std::vector<double> seconds;
  Json result;
  for (int repetition = 0; repetition < options.repetitions; ++repetition) {
    const auto start = Clock::now();
    OpenModel open = open_model(options.model);
    const std::vector<int32_t> ids = some_ids(1, open.llama->config());
    KvCache cache = open.llama->make_cache(1, 1);
    seconds.push_back(seconds_since(start));
    const SequenceTokens tokens{.sequence = 0, .ids = ids};
    open.llama->logits(open.llama->forward({&tokens, 1}, cache));
    if (repetition == 0) {
      result = header(options, *open.llama);
      result["first_seconds_to_first_token"] = seconds_since(start);
    }
  }
  result["seconds"] = median(seconds);
  std::cout << result.dump() << "\n";
}

CLI::App* add_common(CLI::App& bench, Options& options, const char* name, const char* description) {
  CLI::App* command = bench.add_subcommand(name, description);
  add_model_option(*command, options.model);
  add_compute_options(*command, options.model);
  command->add_option("--repetitions", options.repetitions, "Measurements; the median counts")->check(CLI::Range(1, 1000));
  return command;
}

}  // namespace

void add_bench_model(CLI::App& bench) {
  const auto decode_options = std::make_shared<Options>(), prefill_options = std::make_shared<Options>(),
             load_options = std::make_shared<Options>();

  CLI::App* decode = add_common(bench, *decode_options, "decode", "Tokens per second, one after the other");
  decode->add_option("--tokens", decode_options->tokens, "Tokens of a measurement")->check(CLI::Range(1, 1 << 20));
  decode->add_option("--sequences", decode_options->sequences, "Sequences decoded together")->check(CLI::Range(1, 4096));
  decode->footer("Example: poro bench decode --model shape:poro2-8b --dtype int8 --context 512 --tokens 32");
  decode->callback([decode_options] { bench_decode(*decode_options); });

  CLI::App* prefill = add_common(bench, *prefill_options, "prefill", "Tokens per second of a prompt");
  prefill_options->tokens = 512;
  prefill->add_option("--tokens", prefill_options->tokens, "Tokens of the prompt")->check(CLI::Range(1, 1 << 20));
  prefill->footer("Example: poro bench prefill --model shape:poro2-8b --dtype int8 --tokens 512");
  prefill->callback([prefill_options] { bench_prefill(*prefill_options); });

  CLI::App* load = add_common(bench, *load_options, "load", "Seconds from nothing to a model ready to answer");
  load->footer("Example: poro bench load --model models/poro2-8b --dtype int4");
  load->callback([load_options] { bench_load(*load_options); });
}

}  // namespace poro
