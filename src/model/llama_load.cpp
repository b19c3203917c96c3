// Weights on their way to the device: from mapped files or from a random number generator, as they are or in another type.
// A matrix that already has the wanted type is used in place, so a mapped model starts without being read.
#include <cstring>
#include <functional>
#include <map>

#include "base/random.h"
#include "model/checkpoint.h"
#include "model/llama_activations.h"
#include "model/quantized_cache.h"
#include "ops/quantize.h"

namespace poro {
namespace {

// A tensor and whoever owns its memory: an arena, or a mapped checkpoint, which the model keeps open.
struct OwnedTensor {
  Tensor tensor;
  std::shared_ptr<Arena> owner = nullptr;
  const Checkpoint* mapped_in = nullptr;
};
// Gives the weight at this place of the weight table.
using WeightSource = std::function<OwnedTensor(size_t index)>;

bool is_plain_type_of(const Device& device, DType dtype) {
  if (dtype == DType::kF64) return device.is_reference();
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

OwnedTensor converted(ThreadPool& pool, const Tensor& source, DType dtype) {
  OwnedTensor result{.tensor = {}, .owner = std::make_shared<Arena>("weights"), .mapped_in = nullptr};
  result.tensor = result.owner->tensor(dtype, source.shape);
  parallel_for(pool, source.elements(), 4096, [&](Range range) {
    for (int64_t i = range.begin; i < range.end; ++i) store_element(result.tensor, i, load_element(source, i));
  });
  return result;
}

// Words of a counter-based generator, each turned into one about normal value: the sum of four uniform bytes.
void fill_random(ThreadPool& pool, const Tensor& target, uint64_t seed, uint64_t stream) {
  constexpr float kDeviation = 0.02f, kByteSumDeviation = 147.8f;  // sqrt(4 * (256^2 - 1) / 12)
  BFloat16* out = target.as<BFloat16>();
  const int64_t count = target.elements();
  parallel_for(pool, (count + 3) / 4, 1024, [&](Range range) {
    for (int64_t block = range.begin; block < range.end; ++block) {
      const std::array<uint32_t, 4> words = philox(seed, static_cast<uint64_t>(block), stream);
      for (int64_t i = block * 4; i < std::min(count, block * 4 + 4); ++i) {
        const uint32_t word = words[static_cast<size_t>(i & 3)];
        const uint32_t sum = (word & 255u) + ((word >> 8) & 255u) + ((word >> 16) & 255u) + (word >> 24);
        out[i] = BFloat16((static_cast<float>(sum) - 510.0f) * (kDeviation / kByteSumDeviation));
      }
    }
  });
}

OwnedTensor random_weight(ThreadPool& pool, const WeightSpec& spec, uint64_t seed, uint64_t stream) {
  OwnedTensor result{.tensor = {}, .owner = std::make_shared<Arena>("weights"), .mapped_in = nullptr};
  result.tensor = result.owner->tensor(DType::kBF16, spec.shape);
  if (spec.has_decay) {
    fill_random(pool, result.tensor, seed, stream);
  } else {  // Norms scale by one.
    for (int64_t i = 0; i < result.tensor.elements(); ++i) store_element(result.tensor, i, 1.0);
  }
  return result;
}

// What a model's weights become.
struct WeightTarget {
  Device& device;
  ThreadPool& pool;
  std::optional<DType> matrices;               // None: as the source has them.
  QuantizedCache* cache;                       // Or none.
  std::vector<std::shared_ptr<Arena>>& owners;  // Of everything that is not used in place.
};

// Fetches the weights of a model one by one and brings each to its type.
class WeightBuilder {
 public:
  WeightBuilder(const LlamaConfig& config, const WeightSource& source, const WeightTarget& target)
      : config_(config), table_(weight_table(config)), source_(source), target_(target) {}

  // Reads the table of weights: embedding, head, layers, final norm. The head comes early because as it is quantised it takes
  // the most memory beside its result.
  LlamaWeights build() {
    LlamaWeights weights;
    size_t at = 0;
    weights.embedding = tensor(at++);
    weights.head = head(weights.embedding);
    for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
      LayerWeights& w = weights.layers.emplace_back();
      w.attention_norm = tensor(at++);
      for (Matrix* m : {&w.q, &w.k, &w.v, &w.o}) *m = matrix(at++);
      w.ffn_norm = tensor(at++);
      for (Matrix* m : {&w.gate, &w.up, &w.down}) *m = matrix(at++);
    }
    weights.final_norm = tensor(at++);
    CHECK(at + (config_.has_tied_head ? 0 : 1) == table_.size(), "{} of {} weights placed", at, table_.size());
    if (has_fresh_) target_.cache->keep(quantised_);
    return weights;
  }

 private:
  Tensor tensor(size_t index) {
    OwnedTensor source = source_(index);
    return (is_plain_type_of(target_.device, source.tensor.dtype) ? held(source) : held(as(source, DType::kF32))).tensor;
  }

  Matrix matrix(size_t index) { return matrix_of(table_[index].name, source_(index), target_.matrices); }

  // The head in int4 models keeps 8 bits: it decides every token, and is a ninth of the bytes.
  Matrix head(const Tensor& embedding) {
    const std::optional<DType> dtype = target_.matrices == DType::kI4 ? std::optional(DType::kI8) : target_.matrices;
    return matrix_of("lm_head.weight", config_.has_tied_head ? OwnedTensor{embedding} : source_(table_.size() - 1), dtype);
  }

  Matrix matrix_of(const std::string& name, const OwnedTensor& source, std::optional<DType> wanted) {
    const DType stored = source.tensor.dtype;
    const DType dtype = wanted.value_or(is_plain_type_of(target_.device, stored) ? stored : DType::kF32);
    if (dtype == DType::kI8 || dtype == DType::kI4) return quantised(name, source, dtype);
    return {.values = held(stored == dtype ? source : as(source, dtype)).tensor, .quantization = {}};
  }

  Matrix quantised(const std::string& name, const OwnedTensor& source, DType dtype) {
    const auto owner = target_.owners.emplace_back(std::make_shared<Arena>("weights"));
    const Matrix result = quantized_matrix(*owner, {.dtype = dtype, .shape = source.tensor.shape});
    if (target_.cache == nullptr || !target_.cache->read(target_.pool, name, result)) {
      quantize(target_.pool, Matrix{.values = source.tensor, .quantization = {}}, result);
      release(source);
      has_fresh_ = target_.cache != nullptr;
    }
    if (target_.cache != nullptr) quantised_[name] = result;
    return result;
  }

  OwnedTensor as(const OwnedTensor& source, DType dtype) {
    const OwnedTensor result = converted(target_.pool, source.tensor, dtype);
    release(source);
    return result;
  }

  void release(const OwnedTensor& source) {
    if (source.mapped_in != nullptr) source.mapped_in->release(source.tensor);
  }

  OwnedTensor held(const OwnedTensor& owned) {
    if (owned.owner != nullptr) target_.owners.push_back(owned.owner);
    return owned;
  }

  const LlamaConfig& config_;
  const std::vector<WeightSpec> table_;
  const WeightSource& source_;
  const WeightTarget target_;
  std::map<std::string, Matrix> quantised_;  // All of them, where there is a cache.
  bool has_fresh_ = false;                   // The cache lacked some.
};

}  // namespace

struct Llama::Storage {
  std::optional<Checkpoint> checkpoint;
  std::vector<std::shared_ptr<Arena>> owners;
};

Llama::Llama(Device& device, LlamaConfig config)
    : device_(&device), config_(std::move(config)), storage_(std::make_unique<Storage>()) {}
Llama::~Llama() = default;
Llama::Llama(Llama&&) noexcept = default;

Llama Llama::load(Device& device, const std::filesystem::path& folder, const LoadOptions& options) {
  Checkpoint checkpoint = Checkpoint::open(folder);
  Llama model(device, checkpoint.config());
  model.storage_->checkpoint = std::move(checkpoint);
  const Checkpoint& opened = *model.storage_->checkpoint;
  // A checkpoint of 8 bits is computed with in 8 bits where there are kernels for it.
  const bool is_8_bit = opened.is_compressed() && std::holds_alternative<Cpu>(device.backend());
  const std::optional<DType> wanted = options.weights || !is_8_bit ? options.weights : std::optional(DType::kI8);
  const std::vector<WeightSpec> table = weight_table(model.config_);
  const WeightSource source = [&](size_t index) {
    return OwnedTensor{.tensor = opened.tensor(table[index].name), .mapped_in = &opened};
  };
  std::optional<QuantizedCache> cache;
  const bool is_quantised = options.weights == DType::kI8 || options.weights == DType::kI4;
  if (!options.cache_folder.empty() && is_quantised) cache.emplace(options.cache_folder, opened, *options.weights);
  ThreadPool reference_pool(device.is_reference() ? 0 : 1);
  model.weights_ = WeightBuilder(model.config_, source,
                                 {.device = device, .pool = device.is_reference() ? reference_pool : device.cpu_backend().pool,
                                  .matrices = wanted, .cache = cache ? &*cache : nullptr,
                                  .owners = model.storage_->owners})
                       .build();
  return model;
}

Llama Llama::random(Device& device, const LlamaConfig& config, DType weights, uint64_t seed) {
  Llama model(device, config);
  const std::vector<WeightSpec> table = weight_table(model.config_);
  ThreadPool reference_pool(device.is_reference() ? 0 : 1);
  ThreadPool& pool = device.is_reference() ? reference_pool : device.cpu_backend().pool;
  const WeightSource source = [&](size_t index) { return random_weight(pool, table[index], seed, index); };
  model.weights_ = WeightBuilder(model.config_, source,
                                 {.device = device, .pool = pool, .matrices = weights, .cache = nullptr,
                                  .owners = model.storage_->owners})
                       .build();
  return model;
}

Llama Llama::over(Device& device, const LlamaConfig& config, std::span<const Tensor> tensors) {
  Llama model(device, config);
  const WeightSource source = [&](size_t index) { return OwnedTensor{tensors[index]}; };
  ThreadPool pool(1);
  model.weights_ = WeightBuilder(model.config_, source,
                                 {.device = device, .pool = pool, .matrices = std::nullopt, .cache = nullptr,
                                  .owners = model.storage_->owners})
                       .build();
  CHECK(model.storage_->owners.empty(), "{} is no type that {} computes with", tensors[0].str(), device.name());
  return model;
}

}  // namespace poro
