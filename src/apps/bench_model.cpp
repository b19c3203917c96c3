// `poro bench decode`, `prefill` and `load`: the model's speed on this machine, beside the limit measured in
// the same run. Decoding is bound by reading the weights, so its limit is the memory's read rate; a prompt is
// bound by arithmetic, so its limit is the peak of the unit that multiplies.
#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/bench.h"
#include "apps/limits.h"
#include "apps/model_options.h"
#include "apps/ranks.h"
#include "apps/trace_file.h"
#include "base/error.h"
#include "ops/gpu_limits.h"

namespace poro {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

struct Options {
  ModelOptions model;
  int64_t tokens = 32;  // Measured tokens.
  int64_t sequences = 1;
  int repetitions = 3;
  std::string trace;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Ids that look like text to nobody and cost what text costs.
std::vector<int32_t> some_ids(int64_t count, const LlamaConfig& config) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i)
    ids.push_back(static_cast<int32_t>((i * 7919 + 12345) % config.vocab_size));
  return ids;
}

void fill_cache(Llama& model, KvCache& cache, int64_t sequence, int64_t count) {
  const std::vector<int32_t> ids = some_ids(count, model.config());
  for (int64_t first = 0; first < count; first += model.max_tokens()) {
    const int64_t part = std::min(model.max_tokens(), count - first);
    const SequenceTokens tokens{
        .sequence = sequence,
        .ids = std::span(ids).subspan(static_cast<size_t>(first), static_cast<size_t>(part))};
    model.forward({&tokens, 1}, cache);
  }
}

Json header(const Options& options, const Llama& model) {
  Json result = {{"model", options.model.model},
                 {"device", model.device().name()},
                 {"dtype", dtype_name(model.weights().layers[0].q.dtype())},
                 {"kv_dtype", dtype_name(model.cache_dtype())}};
  if (model.stages().size() > 1)
    result["gpu_layers"] = model.stages().back().last - model.stages().back().first;
  if (model.num_ranks() > 1)
    result["ranks"] = model.num_ranks();  // Bytes, operations and limits are those of one.
  return result;
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

// A rate and the machine's limit right before and after it; other programs on the machine slow both down
// alike.
struct Measured {
  double seconds, limit;
};

// Runs `work` again and again, each time between two measurements of the limit, of which the better counts.
std::vector<Measured> measure(int repetitions, const std::function<double()>& limit,
                              const std::function<void()>& work) {
  std::vector<Measured> all;
  double before = limit();
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    const auto start = Clock::now();
    work();
    const double seconds = seconds_since(start), after = limit();
    all.push_back({.seconds = seconds, .limit = std::max(before, after)});
    before = after;
  }
  return all;
}

// The medians of time, limit, and the share of the limit that `amount` of work in that time is.
Json summary(const std::vector<Measured>& all, double amount) {
  std::vector<double> seconds, limits, shares;
  for (const Measured& one : all) {
    seconds.push_back(one.seconds);
    limits.push_back(one.limit);
    shares.push_back(amount / one.seconds / one.limit);
  }
  return {{"seconds", median(seconds)},
          {"rate", amount / median(seconds)},
          {"limit", median(limits)},
          {"share", median(shares)}};
}

// The weights that every token reads, in one place.
std::vector<std::span<const std::byte>> weights_of(const Llama& model, Place place) {
  std::vector<std::span<const std::byte>> parts;
  const auto add = [&](const Matrix& matrix) {
    if (matrix.values.place == place) parts.emplace_back(matrix.values.data, matrix.bytes());
  };
  for (const LayerWeights& layer : model.weights().layers)
    for (const Matrix* matrix : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down})
      add(*matrix);
  add(model.weights().head);
  return parts;
}

void check_has_limit(const Device& device) {
  if (device.is_reference())
    fail("the reference device has no limit to be measured against; use --device cpu");
}

// The rate of a model whose stages take their turns: `amount(stage)` of work at `rate(stage)` each.
double rate_in_turn(const Llama& model, const std::function<double(const Llama::Stage&)>& amount,
                    const std::function<double(const Llama::Stage&)>& rate) {
  double whole = 0, seconds = 0;
  for (const Llama::Stage& stage : model.stages()) {
    const double part = amount(stage);
    whole += part;
    if (part > 0) seconds += part / rate(stage);
  }
  return whole / seconds;
}

// Bytes per second at which the model's devices can read its weights: on a GPU, the rate of a copy.
double read_limit(const Llama& model) {
  const auto weights = [&](const Llama::Stage& stage) { return weights_of(model, stage.device->place()); };
  return rate_in_turn(
      model,
      [&](const Llama::Stage& stage) {
        double bytes = 0;
        for (const std::span<const std::byte> part : weights(stage))
          bytes += static_cast<double>(part.size());
        return bytes;
      },
      [&](const Llama::Stage& stage) {
        return stage.device->is_cuda() ? gpu_copy_rate(*stage.device)
                                       : read_rate(stage.device->cpu_backend().pool, weights(stage));
      });
}

// Operations per second of the units that multiply weights of these types.
double product_limit(const Llama& model) {
  return rate_in_turn(
      model, [](const Llama::Stage& stage) { return static_cast<double>(stage.last - stage.first); },
      [&](const Llama::Stage& stage) {
        const DType dtype = model.weights().layers[static_cast<size_t>(stage.first)].q.dtype();
        return stage.device->is_cuda() ? gpu_product_rate(*stage.device)
                                       : peak_rate(stage.device->cpu_backend(), product_unit(dtype));
      });
}

void bench_decode(Options options) {
  const int64_t context = options.model.context.value_or(512);  // Positions before the measurement.
  const int64_t positions = context + options.tokens;
  options.model.context = positions;
  OpenModel open = open_model(options.model);
  check_has_limit(*open.device);
  Llama& model = *open.llama;
  KvCache cache = model.make_cache(options.sequences, positions);
  for (int64_t sequence = 0; sequence < options.sequences; ++sequence)
    fill_cache(model, cache, sequence, context);

  const std::vector<int32_t> ids = some_ids(options.sequences, model.config());
  std::vector<SequenceTokens> batch;
  for (int64_t sequence = 0; sequence < options.sequences; ++sequence)
    batch.push_back({.sequence = sequence, .ids = std::span(ids).subspan(static_cast<size_t>(sequence), 1)});
  const TraceFile trace(*open.device, options.trace);
  const std::vector<Measured> measured = measure(
      options.repetitions, [&] { return read_limit(model); },
      [&] {
        for (int64_t sequence = 0; sequence < options.sequences; ++sequence)
          cache.truncate(sequence, context);
        for (int64_t token = 0; token < options.tokens; ++token) model.likeliest(model.forward(batch, cache));
      });
  const KvCacheOptions filled{.max_sequences = options.sequences, .max_positions = context, .page_size = 1};
  const double bytes = static_cast<double>(model.bytes_per_token() + model.cache_bytes(filled));
  const double tokens = static_cast<double>(options.tokens);
  const Json found = summary(measured, bytes * tokens);
  Json result = header(options, model);
  result.update({{"context", context},
                 {"sequences", options.sequences},
                 {"tokens_per_second",
                  static_cast<double>(options.sequences) * tokens / found["seconds"].get<double>()},
                 {"bytes_per_step", bytes},
                 {"bytes_per_second", found["rate"]},
                 {"limit_bytes_per_second", found["limit"]},
                 {"share", found["share"]}});
  std::cout << result.dump() << "\n";
  trace.write();
}

// Operations of the matrix products for `count` tokens; the head runs for the last one only.
double product_flops(const LlamaConfig& config, int64_t count) {
  const double layer =
      static_cast<double>(2 * config.num_heads * config.head_dim + 2 * config.num_kv_heads * config.head_dim +
                          3 * config.intermediate_size) *
      static_cast<double>(config.hidden_size);
  return 2.0 * layer * static_cast<double>(config.num_layers * count) +
         2.0 * static_cast<double>(config.vocab_size * config.hidden_size);
}

void bench_prefill(Options options) {
  options.model.context = options.tokens;
  OpenModel open = open_model(options.model);
  check_has_limit(*open.device);
  Llama& model = *open.llama;
  KvCache cache = model.make_cache(1, options.tokens);
  for (int64_t pass = 0; pass < passes_before_measuring(*open.device, model.config().num_layers); ++pass) {
    cache.truncate(0, 0);
    fill_cache(model, cache, 0, options.tokens);
  }
  const TraceFile trace(*open.device, options.trace);
  const std::vector<Measured> measured = measure(
      options.repetitions, [&] { return product_limit(model); },
      [&] {
        cache.truncate(0, 0);
        fill_cache(model, cache, 0, options.tokens);
        open.device->synchronize();
      });
  const Json found = summary(measured, product_flops(model.config(), options.tokens) / model.num_ranks());
  Json result = header(options, model);
  result.update({{"tokens", options.tokens},
                 {"seconds", found["seconds"]},
                 {"tokens_per_second", static_cast<double>(options.tokens) / found["seconds"].get<double>()},
                 {"product_flops_per_second", found["rate"]},
                 {"limit_flops_per_second", found["limit"]},
                 {"share", found["share"]}});
  std::cout << result.dump() << "\n";
  trace.write();
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
  command->add_option("--repetitions", options.repetitions, "Measurements; the median counts")
      ->check(CLI::Range(1, 1000));
  return command;
}

}  // namespace

void add_bench_model(CLI::App& bench) {
  const auto decode_options = std::make_shared<Options>(), prefill_options = std::make_shared<Options>(),
             load_options = std::make_shared<Options>();

  CLI::App* decode = add_common(bench, *decode_options, "decode", "Tokens per second, one after the other");
  decode->add_option("--tokens", decode_options->tokens, "Tokens of a measurement")
      ->check(CLI::Range(1, 1 << 20));
  decode->add_option("--sequences", decode_options->sequences, "Sequences decoded together")
      ->check(CLI::Range(1, 4096));
  add_trace_option(*decode, decode_options->trace);
  decode->footer("Example: poro bench decode --model shape:poro2-8b --dtype int8 --context 512 --tokens 32");
  decode->callback(
      [decode_options] { lead_ranks(decode_options->model, [&] { bench_decode(*decode_options); }); });

  CLI::App* prefill = add_common(bench, *prefill_options, "prefill", "Tokens per second of a prompt");
  prefill_options->tokens = 512;
  prefill->add_option("--tokens", prefill_options->tokens, "Tokens of the prompt")
      ->check(CLI::Range(1, 1 << 20));
  add_trace_option(*prefill, prefill_options->trace);
  prefill->footer("Example: poro bench prefill --model shape:poro2-8b --dtype int8 --tokens 512");
  prefill->callback(
      [prefill_options] { lead_ranks(prefill_options->model, [&] { bench_prefill(*prefill_options); }); });

  CLI::App* load =
      add_common(bench, *load_options, "load", "Seconds from nothing to a model ready to answer");
  load->footer("Example: poro bench load --model models/poro2-8b --dtype int4");
  load->callback([load_options] { lead_ranks(load_options->model, [&] { bench_load(*load_options); }); });
}

}  // namespace poro
