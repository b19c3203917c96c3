// Weights on their way to the device: from mapped files or from a random number generator, whole or a rank's
// part of them, as they are or in another type. A matrix that already has the wanted type is used in place,
// so a mapped model starts without being read.
#include <cstring>
#include <exception>
#include <functional>
#include <map>

#include "model/checkpoint.h"
#include "model/llama_activations.h"
#include "model/quantized_cache.h"
#include "ops/convert.h"
#include "ops/quantize.h"
#include "ops/random_fill.h"

namespace poro {
namespace {

// A tensor and whoever owns its memory: an arena, or a mapped checkpoint, which the model keeps open.
struct OwnedTensor {
  Tensor tensor;
  std::shared_ptr<Arena> owner = nullptr;
  const Checkpoint* mapped_in = nullptr;
};
// Gives the whole weight at this place of the weight table, for the device; it need not lie there.
using WeightSource = std::function<OwnedTensor(size_t index, Device& device)>;

bool is_plain_type_of(const Device& device, DType dtype) {
  if (dtype == DType::kF64) return device.is_reference();
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

OwnedTensor made(Device& device, DType dtype, Shape shape) {
  OwnedTensor result{.tensor = {}, .owner = std::make_shared<Arena>("weights", device), .mapped_in = nullptr};
  result.tensor = result.owner->tensor(dtype, shape);
  return result;
}

OwnedTensor converted(Device& device, const Tensor& source, DType dtype) {
  OwnedTensor result = made(device, dtype, source.shape);
  bring(device, source, result.tensor);
  return result;
}

OwnedTensor random_weight(Device& device, const WeightSpec& spec, uint64_t seed, uint64_t stream) {
  OwnedTensor result = made(device, DType::kBF16, spec.shape);
  if (spec.has_decay) {
    run(device, RandomFill{.to = result.tensor, .seed = seed, .stream = stream});
  } else {  // Norms scale by one.
    const std::vector<BFloat16> ones(static_cast<size_t>(spec.shape.elements()), BFloat16(1.0f));
    device.copy({.data = reinterpret_cast<std::byte*>(const_cast<BFloat16*>(ones.data())),
                 .dtype = DType::kBF16,
                 .shape = spec.shape},
                result.tensor);
  }
  return result;
}

bool is_cpu(const Device& device) {
  return !device.is_reference() && !device.is_cuda();
}

// What the weights of a stage become.
struct StageTarget {
  Device& device;
  ThreadPool& pool;
  std::optional<DType> matrices;  // None: as the source has them.
  int64_t last;                   // Of the layers: the first that is not the stage's.
};

// What a model's weights become.
struct WeightTarget {
  std::vector<StageTarget> stages;
  QuantizedCache* cache;                        // Or none.
  const TensorRanks& ranks;                     // That each take their part.
  std::vector<std::shared_ptr<Arena>>& owners;  // Of everything that is not used in place.
};

// Fetches the weights of a model one by one and brings each to its type.
class WeightBuilder {
 public:
  WeightBuilder(const LlamaConfig& config, const WeightSource& source, const WeightTarget& target)
      : config_(config),
        table_(weight_table(config)),
        source_(source),
        target_(target),
        stage_(&target_.stages.front()) {}

  // Reads the table of weights: embedding, head, layers, final norm. The head comes early because as it is
  // quantised it takes the most memory beside its result.
  LlamaWeights build() {
    LlamaWeights weights;
    size_t at = 0;
    weights.embedding = tensor(at++);
    stage_ = &target_.stages.back();
    weights.head = head(weights.embedding);
    stage_ = &target_.stages.front();
    for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
      while (layer >= stage_->last) ++stage_;
      LayerWeights& w = weights.layers.emplace_back();
      w.attention_norm = tensor(at++);
      for (Matrix* m : {&w.q, &w.k, &w.v, &w.o}) *m = matrix(at++);
      w.ffn_norm = tensor(at++);
      for (Matrix* m : {&w.gate, &w.up, &w.down}) *m = matrix(at++);
    }
    weights.final_norm = tensor(at++);
    CHECK(at + (config_.has_tied_head ? 0 : 1) == table_.size(), "{} of {} weights placed", at,
          table_.size());
    if (has_fresh_) target_.cache->keep(quantised_);
    return weights;
  }

 private:
  Tensor tensor(size_t index) {
    OwnedTensor source = part(index);
    return (is_plain_type_of(stage_->device, source.tensor.dtype) ? held(source)
                                                                  : held(as(source, DType::kF32)))
        .tensor;
  }

  Matrix matrix(size_t index) { return matrix_of(table_[index].name, part(index), stage_->matrices); }

  // The head in int4 models keeps 8 bits: it decides every token, and is a ninth of the bytes.
  Matrix head(const Tensor& embedding) {
    const std::optional<DType> dtype =
        stage_->matrices == DType::kI4 ? std::optional(DType::kI8) : stage_->matrices;
    return matrix_of("lm_head.weight",
                     config_.has_tied_head ? OwnedTensor{.tensor = embedding} : part(table_.size() - 1),
                     dtype);
  }

  Matrix matrix_of(const std::string& name, const OwnedTensor& source, std::optional<DType> wanted) {
    const DType stored = source.tensor.dtype;
    const DType dtype = wanted.value_or(is_plain_type_of(stage_->device, stored) ? stored : DType::kF32);
    if (dtype == DType::kI8 || dtype == DType::kI4 || dtype == DType::kF8)
      return quantised(name, source, dtype);
    return {.values = held(stored == dtype ? source : as(source, dtype)).tensor, .quantization = {}};
  }

  Matrix quantised(const std::string& name, const OwnedTensor& source, DType dtype) {
    const auto owner = target_.owners.emplace_back(std::make_shared<Arena>("weights", stage_->device));
    const Matrix result = quantized_matrix(*owner, {.dtype = dtype, .shape = source.tensor.shape});
    if (stage_->device.is_cuda()) {
      // The plain matrix is on the GPU only until it is quantised.
      const OwnedTensor plain = source.tensor.place == Place::kGpu ? source : as(source, DType::kBF16);
      quantize(stage_->device, Matrix{.values = plain.tensor}, result);
      stage_->device.synchronize();
      return result;
    }
    if (target_.cache == nullptr || !target_.cache->read(stage_->pool, name, result)) {
      quantize(stage_->pool, Matrix{.values = source.tensor, .quantization = {}}, result);
      release(source);
      has_fresh_ = target_.cache != nullptr;
    }
    if (target_.cache != nullptr) quantised_[name] = result;
    return result;
  }

  // What this rank has of a weight: rows where they lie if that is in a file, all else in memory of its own.
  OwnedTensor part(size_t index) {
    const WeightSpec& spec = table_[index];
    OwnedTensor whole = source_(index, stage_->device);
    if (target_.ranks.is_alone() || !spec.split_dim || whole.tensor.shape == spec.shape) return whole;
    const int64_t rank = target_.ranks.rank(), rows = spec.shape[0], columns = spec.shape[1];
    if (*spec.split_dim == 0 && whole.owner == nullptr)
      return {.tensor = whole.tensor.rows(rank * rows, rows), .owner = nullptr, .mapped_in = whole.mapped_in};
    const OwnedTensor there =
        whole.tensor.place == stage_->device.place() ? whole : as(whole, whole.tensor.dtype);
    OwnedTensor result = made(stage_->device, there.tensor.dtype, spec.shape);
    if (*spec.split_dim == 0)
      stage_->device.copy(there.tensor.rows(rank * rows, rows), result.tensor);
    else
      stage_->device.copy_columns(there.tensor, rank * columns, result.tensor);
    stage_->device.synchronize();
    release(whole);
    return result;
  }

  OwnedTensor as(const OwnedTensor& source, DType dtype) {
    OwnedTensor result = converted(stage_->device, source.tensor, dtype);
    release(source);
    return result;
  }

  void release(const OwnedTensor& source) {
    if (source.mapped_in != nullptr) source.mapped_in->release(source.tensor);
  }

  OwnedTensor held(const OwnedTensor& owned) {
    if (owned.tensor.place != stage_->device.place()) return held(as(owned, owned.tensor.dtype));
    if (owned.owner != nullptr) target_.owners.push_back(owned.owner);
    return owned;
  }

  const LlamaConfig& config_;
  const std::vector<WeightSpec> table_;
  const WeightSource& source_;
  const WeightTarget target_;
  const StageTarget* stage_;                 // Of the weight at hand.
  std::map<std::string, Matrix> quantised_;  // All of them, where there is a cache.
  bool has_fresh_ = false;                   // The cache lacked some.
};

// `matrices` in the type that the device has for them: processors have no fp8, and take as many bits.
std::optional<DType> matrices_on(const Device& device, std::optional<DType> matrices) {
  return matrices == DType::kF8 && !device.is_cuda() ? DType::kI8 : matrices;
}

// `pool`: for devices that have none. `matrices`: by the device.
template <class Matrices>
std::vector<StageTarget> targets_of(const std::vector<Llama::Stage>& stages, ThreadPool& pool,
                                    const Matrices& matrices) {
  std::vector<StageTarget> targets;
  targets.reserve(stages.size());
  for (const Llama::Stage& stage : stages)
    targets.push_back({.device = *stage.device,
                       .pool = is_cpu(*stage.device) ? stage.device->cpu_backend().pool : pool,
                       .matrices = matrices_on(*stage.device, matrices(*stage.device)),
                       .last = stage.last});
  return targets;
}

}  // namespace

struct Llama::Storage {
  std::optional<Checkpoint> checkpoint;
  std::vector<std::shared_ptr<Arena>> owners;
};

Llama::Llama(Device& device, const LlamaConfig& config, const LoadOptions& options)
    : device_(&device),
      ranks_(device, options.ranks, Between::kAll),
      whole_config_(config),
      config_(part_of_config(config, ranks_.size())),
      cache_dtype_(options.cache),
      storage_(std::make_unique<Storage>()) {
  Stage last{.device = &device, .first = 0, .last = config_.num_layers};
  if (options.first_device != nullptr) {
    CHECK(ranks_.is_alone() && options.first_device->place() == Place::kHost && options.first_layers >= 0 &&
              options.first_layers < config_.num_layers,
          "{} layers on {}, {} ranks", options.first_layers, options.first_device->name(), ranks_.size());
    stages_.push_back({.device = options.first_device, .first = 0, .last = options.first_layers});
    last.first = options.first_layers;
    last.arriving = options.first_device->activation_dtype();
  }
  stages_.push_back(last);
  activations_.resize(stages_.size());
}
// Whoever fails ends all ranks another way, and must not wait for them here.
Llama::~Llama() {
  if (storage_ != nullptr && std::uncaught_exceptions() == 0) tell(Order::kClose, std::span<const int32_t>());
}
Llama::Llama(Llama&&) noexcept = default;

Llama Llama::load(Device& device, const std::filesystem::path& folder, const LoadOptions& options) {
  Checkpoint checkpoint = Checkpoint::open(folder);
  Llama model(device, checkpoint.config(), options);
  model.storage_->checkpoint = std::move(checkpoint);
  const Checkpoint& opened = *model.storage_->checkpoint;
  // A checkpoint of 8 bits is computed with in 8 bits where there are kernels for it.
  const auto matrices = [&](const Device& on) {
    return !options.weights && opened.is_compressed() && is_cpu(on) ? std::optional(DType::kI8)
                                                                    : options.weights;
  };
  const std::vector<WeightSpec> table = weight_table(model.whole_config_);
  const WeightSource source = [&](size_t index, Device&) {
    return OwnedTensor{.tensor = opened.tensor(table[index].name), .mapped_in = &opened};
  };
  std::optional<QuantizedCache> cache;
  const bool is_quantised = options.weights == DType::kI8 || options.weights == DType::kI4;
  if (!options.cache_folder.empty() && is_quantised && options.first_device == nullptr)
    cache.emplace(options.cache_folder, opened,
                  QuantizedCache::Kind{
                      .dtype = *options.weights, .rank = model.ranks_.rank(), .ranks = model.ranks_.size()});
  ThreadPool own(is_cpu(device) ? 1 : 0);
  model.weights_ = WeightBuilder(model.config_, source,
                                 {.stages = targets_of(model.stages_, own, matrices),
                                  .cache = cache ? &*cache : nullptr,
                                  .ranks = model.ranks_,
                                  .owners = model.storage_->owners})
                       .build();
  return model;
}

Llama Llama::random(Device& device, const LlamaConfig& config, DType weights, uint64_t seed,
                    const LoadOptions& options) {
  Llama model(device, config, options);
  const std::vector<WeightSpec> table = weight_table(model.whole_config_);
  ThreadPool own(is_cpu(device) ? 1 : 0);
  const WeightSource source = [&](size_t index, Device& on) {
    return random_weight(on, table[index], seed, index);
  };
  model.weights_ =
      WeightBuilder(model.config_, source,
                    {.stages = targets_of(model.stages_, own, [&](const Device&) { return weights; }),
                     .cache = nullptr,
                     .ranks = model.ranks_,
                     .owners = model.storage_->owners})
          .build();
  return model;
}

Llama Llama::over(Device& device, const LlamaConfig& config, std::span<const Tensor> tensors) {
  Llama model(device, config, {});
  const WeightSource source = [&](size_t index, Device&) { return OwnedTensor{tensors[index]}; };
  ThreadPool pool(1);
  model.weights_ =
      WeightBuilder(model.config_, source,
                    {.stages = targets_of(model.stages_, pool, [](const Device&) { return std::nullopt; }),
                     .cache = nullptr,
                     .ranks = model.ranks_,
                     .owners = model.storage_->owners})
          .build();
  CHECK(model.storage_->owners.empty(), "{} is no type that {} computes with", tensors[0].str(),
        device.name());
  return model;
}

}  // namespace poro
