#include "apps/model_options.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "apps/hub_cache.h"
#include "apps/ranks.h"
#include "apps/shipped_model.h"
#include "base/comm.h"
#include "base/cuda_devices.h"
#include "base/error.h"
#include "base/file.h"
#include "base/host_memory.h"
#include "base/log.h"
#include "model/generation_memory.h"

namespace poro {
namespace {

constexpr std::string_view kShapePrefix = "shape:";

// What models of this family and its neighbours call the token after an answer. Base models name only the end
// of text in their configs, and copies of configs lose entries; a vocabulary that has one of these as a
// special token means it.
constexpr std::string_view kEndOfTurnTokens[] = {"<|eot_id|>",    "<|eom_id|>",    "<|end_of_text|>",
                                                 "<|im_end|>",    "<|endoftext|>", "<|end|>",
                                                 "<end_of_turn>", "</s>"};

void add_id(std::vector<int32_t>& ids, int32_t id) {
  if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
}

// The special token that the template writes right after the answer of an assistant, whatever it is called.
std::optional<int32_t> token_after_answer(const Tokenizer& tokenizer, const ChatTemplate& chat_template) {
  constexpr std::string_view kAnswer = "Poro";
  TemplateInput input;
  input.messages = {{{"role", "user"}, {"content", "?"}}, {{"role", "assistant"}, {"content", kAnswer}}};
  std::string text;
  try {
    text = chat_template.render(input).text;
  } catch (const Error&) {  // A template may want another form of conversation; the names above must do then.
    return std::nullopt;
  }
  const size_t answer = text.rfind(kAnswer);
  if (answer == std::string::npos) return std::nullopt;
  const std::vector<int32_t> after = tokenizer.encode(std::string_view(text).substr(answer + kAnswer.size()));
  if (after.empty() || !tokenizer.is_special(after.front())) return std::nullopt;
  return after.front();
}

std::filesystem::path weight_cache_folder(const ModelOptions& options) {
  if (!options.keep_weights) return {};
  if (options.dtype != "int8" && options.dtype != "int4")
    fail("--weight-cache keeps quantised weights; name their type with --dtype int8 or --dtype int4");
  return hub_cache_folder().parent_path() / "poro";
}

std::vector<int32_t> find_stop_ids(const OpenModel& model) {
  std::vector<int32_t> ids;
  for (const int32_t id : model.generation.eos_ids) add_id(ids, id);
  for (const int32_t id : model.llama->config().eos_ids) add_id(ids, id);
  if (!model.tokenizer) return ids;
  for (const std::string_view name : kEndOfTurnTokens)
    if (const auto id = model.tokenizer->token_id(name); id && model.tokenizer->is_special(*id))
      add_id(ids, *id);
  if (model.chat_template)
    if (const auto id = token_after_answer(*model.tokenizer, *model.chat_template)) add_id(ids, *id);
  return ids;
}

}  // namespace

bool has_tokenizer(const std::filesystem::path& folder) {
  return std::filesystem::exists(folder / "tokenizer.json") ||
         std::filesystem::exists(folder / "tokenizer.model");
}

bool has_chat_template(const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder / "chat_template.jinja") ||
      std::filesystem::exists(folder / "chat_template.json"))
    return true;
  const std::filesystem::path config = folder / "tokenizer_config.json";
  return std::filesystem::exists(config) &&
         read_file(config, uint64_t{64} << 20).find("\"chat_template\"") != std::string::npos;
}

void add_model_option(CLI::App& command, ModelOptions& options) {
  command.add_option("--model", options.model,
                     "A model folder, or a hub name fetched with `poro pull`; default: the model that ships "
                     "with the program");
}

std::filesystem::path model_folder(const std::string& model) {
  if (model.empty()) {
    if (const auto shipped = shipped_model()) return *shipped;
    fail(
        "no model is named, and none ships with this program; give --model with a folder, or a hub name "
        "fetched with `poro pull`");
  }
  if (std::filesystem::is_directory(model)) return model;
  const HubCache cache(hub_cache_folder(), RepositoryKind::kModel, model);
  if (std::filesystem::path snapshot = cache.find_snapshot("main"); !snapshot.empty()) return snapshot;
  fail(
      "no model \"{}\": it is no folder, and the hub cache does not hold it; name a folder, or fetch it "
      "first with `poro pull {}`",
      model, model);
}

std::string model_name(const std::string& model) {
  if (model.empty()) return "poro-mini";
  if (!std::filesystem::is_directory(model)) return model;
  const std::filesystem::path folder = std::filesystem::canonical(model);
  return (folder.filename() == "final" ? folder.parent_path() : folder).filename().string();
}

void add_compute_options(CLI::App& command, ModelOptions& options) {
  command.add_option("--device", options.device,
                     "auto, cpu, cuda, cuda:N, or reference (slow, double precision)");
  command.add_option("--gpu-layers", options.gpu_layers,
                     "Blocks of the model on the GPU, the rest on the processor; default: all that fit");
  command.add_option("--dtype", options.dtype,
                     "How weights are held: auto (as stored), f32, bf16, int8, int4, on GPUs fp8");
  command.add_option(
      "--kv-dtype", options.kv_dtype,
      "How keys and values of past tokens are held: auto (as exact as the weights), f32, bf16, on GPUs fp8");
  command.add_flag("--weight-cache", options.keep_weights,
                   "Keep int8 or int4 weights on disk beside the hub cache, and start from there next time");
  command.add_option("--threads", options.threads,
                     "Threads that compute; 0: every core this process may use");
  command.add_option("--seed", options.seed, "The seed of random choices");
  command.add_option("--context", options.context,
                     "The most tokens of prompt and answer together; default: the model's limit");
}

bool is_random_shape(const ModelOptions& options) {
  return options.model.starts_with(kShapePrefix);
}

std::unique_ptr<Device> open_device(const ModelOptions& options, DType activations) {
  if (options.threads < 0 || options.threads > 4096)
    fail("--threads {} is not from 0 to 4096", options.threads);
  if (options.device == "cpu") return Device::cpu(options.threads);
  if (options.device == "auto") {
    const CudaReport report = cuda_report();
    if (report.is_driver_too_old)
      warn(
          "the NVIDIA driver serves CUDA {}, and this program needs {}, so the processor computes; update "
          "the driver, or say --device cpu",
          report.driver, report.runtime);
    return report.devices.empty() ? Device::cpu(options.threads) : Device::cuda(local_rank(), activations);
  }
  if (options.device == "reference") return Device::reference();
  if (options.device == "cuda") return Device::cuda(local_rank(), activations);
  if (options.device.starts_with("cuda:")) {
    const std::string_view number = std::string_view(options.device).substr(5);
    int index = -1;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), index);
    if (error == std::errc() && end == number.data() + number.size() && index >= 0)
      return Device::cuda(index, activations);
  }
  fail("--device \"{}\" is none of auto, cpu, cuda, cuda:N, reference", options.device);
}

std::optional<DType> weight_dtype(const ModelOptions& options) {
  if (options.dtype == "auto") return std::nullopt;
  if (options.dtype == "f32") return DType::kF32;
  if (options.dtype == "bf16") return DType::kBF16;
  if (options.dtype == "fp8") return DType::kF8;
  if (options.dtype == "int8") return DType::kI8;
  if (options.dtype == "int4") return DType::kI4;
  fail("--dtype \"{}\" is none of auto, f32, bf16, fp8, int8, int4", options.dtype);
}

namespace {

LlamaConfig config_of(const ModelOptions& options) {
  if (is_random_shape(options)) return LlamaConfig::named_shape(options.model.substr(kShapePrefix.size()));
  return LlamaConfig::load(model_folder(options.model));
}

// On a GPU what lies between the products has the weights' type: models in f32 are computed in f32, all
// others in bf16.
DType activations_of(const ModelOptions& options, std::optional<DType> dtype) {
  if (!dtype) dtype = config_of(options).dtype;
  return dtype == DType::kF32 || dtype == DType::kF64 ? DType::kF32 : DType::kBF16;
}

// Of keys and values; none: as exact as the weights.
std::optional<DType> cache_dtype(const ModelOptions& options, const Device& device) {
  if (options.kv_dtype == "auto") return std::nullopt;
  if (device.is_reference()) fail("--device reference computes in double precision; leave --kv-dtype out");
  if (options.kv_dtype == "f32") return DType::kF32;
  if (options.kv_dtype == "bf16") return DType::kBF16;
  if (options.kv_dtype != "fp8") fail("--kv-dtype \"{}\" is none of auto, f32, bf16, fp8", options.kv_dtype);
  if (!device.is_cuda()) fail("--kv-dtype fp8 is for GPUs; use --kv-dtype bf16 on a processor");
  return DType::kF8;
}

// On GPUs memory is planned before anything is read.
std::optional<GenerationMemory> plan_memory(const OpenModel& model, const ModelOptions& options,
                                            const LlamaConfig& config, const LoadOptions& load) {
  Device& device = *model.device;
  const int ranks = model.ranks ? model.ranks->size() : 1;
  if (options.gpu_layers && *options.gpu_layers < 1)
    fail("--gpu-layers {} leaves the GPU nothing; name 1 or more, or use --device cpu", *options.gpu_layers);
  if (options.gpu_layers && !device.is_cuda())
    fail("--gpu-layers {} is for GPUs, and the model runs on {}; leave it out", *options.gpu_layers,
         device.name());
  if (options.gpu_layers && ranks > 1)
    fail("--gpu-layers shares a model between one GPU and the processor; leave it out under mpirun");
  if (!device.is_cuda()) return std::nullopt;
  const DType stored = config.dtype == DType::kF64 ? DType::kF32 : config.dtype,
              weights = load.weights.value_or(stored);
  const GenerationNeeds needs{
      .config = config,
      .weights = weights,
      .cache = load.cache.value_or(weights == DType::kF32 ? DType::kF32 : DType::kBF16),
      .ranks = ranks,
      .context = options.context,
      .gpu_layers = options.gpu_layers,
      .free = static_cast<double>(gpu::memory(device.cuda_backend()).first),
      .free_on_host = available_memory()};
  GenerationMemory memory = plan_gpu_memory(needs);
  if (ranks == 1) {
    const std::vector<std::string> lines = describe(memory, needs);
    inform("{}: {}", device.name(), lines[0]);
    if (memory.is_split) inform("processor: {}", lines[1]);
    return memory;
  }
  if (model.ranks->rank() == 0)
    inform("{}, on each of {}: {}", device.name(), ranks, describe(memory.gpu, memory.context));
  memory.context = static_cast<int64_t>(-model.ranks->maximum(-static_cast<double>(memory.context)));
  return memory;
}

}  // namespace

OpenModel open_model(const ModelOptions& options) {
  tell_options(options);
  const LlamaConfig config = config_of(options);
  if (options.context && (*options.context < 1 || *options.context > config.max_positions))
    fail("--context {} is not from 1 to {}, the limit of {}", *options.context, config.max_positions,
         options.model.empty() ? model_name(options.model) : options.model);
  const std::optional<DType> dtype = weight_dtype(options);
  OpenModel model{.name = options.model.empty() ? model_name(options.model) : options.model,
                  .device = open_device(options, activations_of(options, dtype))};
  if (dtype == DType::kF8 && !model.device->is_cuda())
    fail("--dtype fp8 is for GPUs; use --dtype int8 on a processor");
  if (options.ranks != nullptr) model.ranks = comm_of(*model.device, options.ranks->split(0));
  LoadOptions load{.weights = dtype,
                   .cache = cache_dtype(options, *model.device),
                   .ranks = model.ranks.get(),
                   .cache_folder = weight_cache_folder(options)};
  const std::optional<GenerationMemory> planned = plan_memory(model, options, config, load);
  if (planned && planned->is_split) {
    model.processor = Device::cpu(options.threads);
    load.first_device = model.processor.get();
    load.first_layers = config.num_layers - planned->gpu_layers;
  }
  if (is_random_shape(options)) {
    model.llama = std::make_unique<Llama>(
        Llama::random(*model.device, config, dtype.value_or(config.dtype), options.seed.value_or(0), load));
  } else {
    const std::filesystem::path folder = model_folder(options.model);
    if (has_tokenizer(folder)) model.tokenizer = Tokenizer::load(folder);
    if (model.tokenizer && has_chat_template(folder)) model.chat_template = ChatTemplate::load(folder);
    model.generation = GenerationConfig::load(folder);
    model.llama = std::make_unique<Llama>(Llama::load(*model.device, folder, load));
  }
  model.context = options.context.value_or(planned ? planned->context : config.max_positions);
  model.stop_ids = find_stop_ids(model);
  return model;
}

const Tokenizer& OpenModel::text_tokenizer() const {
  if (!tokenizer)
    fail(
        "{} has no tokenizer (tokenizer.json or tokenizer.model), so it takes token ids only: use --jsonl "
        "with lines {{\"ids\": [...]}}",
        name);
  return *tokenizer;
}

const ChatTemplate& OpenModel::conversation_template() const {
  text_tokenizer();
  if (!chat_template)
    fail(
        "{} has no chat template (in tokenizer_config.json or chat_template.jinja), so it is no chat model; "
        "`poro generate` continues text",
        name);
  return *chat_template;
}

std::vector<int32_t> OpenModel::encode_with_bos(const std::string& text) const {
  std::vector<int32_t> ids = text_tokenizer().encode(text);
  const std::optional<int32_t> bos = tokenizer->bos_id();
  if (bos && (ids.empty() || ids.front() != *bos)) ids.insert(ids.begin(), *bos);
  return ids;
}

}  // namespace poro
