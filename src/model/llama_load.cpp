// Weights on their way to the device: from mapped files or from a random number generator, as they are or in another type.
// A matrix that already has the wanted type is used in place, so a mapped model starts without being read.
#include <cstring>
#include <functional>
#include <map>

#include "base/random.h"
#include "model/checkpoint.h"
#include "model/llama_activations.h"
#include "ops/quantize.h"

namespace poro {
namespace {

// A tensor and whoever owns its memory (nobody for a mapped file, which the model keeps open).
struct OwnedTensor {
  Tensor tensor;
  std::shared_ptr<Arena> owner;
};
using WeightSource = std::function<OwnedTensor(const WeightSpec&)>;

bool is_plain_type_of(const Device& device, DType dtype) {
  if (dtype == DType::kF64) return device.is_reference();
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

OwnedTensor converted(ThreadPool& pool, const Tensor& source, DType dtype) {
  OwnedTensor result{.tensor = {}, .owner = std::make_shared<Arena>("weights")};
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
  OwnedTensor result{.tensor = {}, .owner = std::make_shared<Arena>("weights")};
  result.tensor = result.owner->tensor(DType::kBF16, spec.shape);
  if (spec.has_decay) {
    fill_random(pool, result.tensor, seed, stream);
  } else {  // Norms scale by one.
    for (int64_t i = 0; i < result.tensor.elements(); ++i) store_element(result.tensor, i, 1.0);
  }
  return result;
}

// Fetches the weights of a model one by one and brings each to its type.
class WeightBuilder {
 public:
  WeightBuilder(Device& device, ThreadPool& pool, const WeightSource& source, std::optional<DType> wanted,
                std::vector<std::shared_ptr<Arena>>& owners)
      : device_(device), pool_(pool), source_(source), wanted_(wanted), owners_(owners) {}

  Tensor tensor(const WeightSpec& spec) {
    OwnedTensor owned = source_(spec);
    if (!is_plain_type_of(device_, owned.tensor.dtype)) owned = converted(pool_, owned.tensor, DType::kF32);
    if (owned.owner != nullptr) owners_.push_back(owned.owner);
    return owned.tensor;
  }

  Matrix matrix(const WeightSpec& spec) { return matrix_of(source_(spec), wanted_); }

  // The head in int4 models keeps 8 bits: it decides every token, and is a ninth of the bytes.
  Matrix head(const OwnedTensor& source) {
    return matrix_of(source, wanted_ == DType::kI4 ? std::optional(DType::kI8) : wanted_);
  }

  OwnedTensor fetch(const WeightSpec& spec) { return source_(spec); }

 private:
  Matrix matrix_of(OwnedTensor source, std::optional<DType> wanted) {
    const DType dtype = wanted.value_or(is_plain_type_of(device_, source.tensor.dtype) ? source.tensor.dtype : DType::kF32);
    if (dtype == DType::kI8 || dtype == DType::kI4) {
      const auto owner = std::make_shared<Arena>("weights");
      owners_.push_back(owner);
      const Matrix result = quantized_matrix(*owner, {.dtype = dtype, .shape = source.tensor.shape});
      quantize(pool_, Matrix{.values = source.tensor, .quantization = {}}, result);
      return result;
    }
    if (source.tensor.dtype != dtype) source = converted(pool_, source.tensor, dtype);
    if (source.owner != nullptr) owners_.push_back(source.owner);
    return {.values = source.tensor, .quantization = {}};
  }

  Device& device_;
  ThreadPool& pool_;
  const WeightSource& source_;
  std::optional<DType> wanted_;
  std::vector<std::shared_ptr<Arena>>& owners_;
};

// Reads the table of weights in its order: embedding, layers, final norm, head.
LlamaWeights build_weights(const LlamaConfig& config, WeightBuilder& builder) {
  const std::vector<WeightSpec> table = weight_table(config);
  size_t at = 0;
  LlamaWeights weights;
  const WeightSpec& embedding = table[at++];
  weights.embedding = builder.tensor(embedding);
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    LayerWeights& w = weights.layers.emplace_back();
    w.attention_norm = builder.tensor(table[at++]);
    for (Matrix* matrix : {&w.q, &w.k, &w.v, &w.o}) *matrix = builder.matrix(table[at++]);
    w.ffn_norm = builder.tensor(table[at++]);
    for (Matrix* matrix : {&w.gate, &w.up, &w.down}) *matrix = builder.matrix(table[at++]);
  }
  weights.final_norm = builder.tensor(table[at++]);
  weights.head = config.has_tied_head ? builder.head({.tensor = weights.embedding, .owner = nullptr})
                                      : builder.head(builder.fetch(table[at++]));
  CHECK(at == table.size(), "{} of {} weights placed", at, table.size());
  return weights;
}

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
  const WeightSource source = [&](const WeightSpec& spec) { return OwnedTensor{opened.tensor(spec.name), nullptr}; };
  ThreadPool reference_pool(device.is_reference() ? 0 : 1);
  ThreadPool& pool = device.is_reference() ? reference_pool : device.cpu_backend().pool;
  WeightBuilder builder(device, pool, source, options.weights, model.storage_->owners);
  model.weights_ = build_weights(model.config_, builder);
  return model;
}

Llama Llama::random(Device& device, const LlamaConfig& config, DType weights, uint64_t seed) {
  Llama model(device, config);
  ThreadPool reference_pool(device.is_reference() ? 0 : 1);
  ThreadPool& pool = device.is_reference() ? reference_pool : device.cpu_backend().pool;
  uint64_t stream = 0;
  const WeightSource source = [&](const WeightSpec& spec) { return random_weight(pool, spec, seed, stream++); };
  WeightBuilder builder(device, pool, source, weights, model.storage_->owners);
  model.weights_ = build_weights(model.config_, builder);
  return model;
}

Llama Llama::over(Device& device, const LlamaConfig& config, std::span<const Tensor> tensors) {
  Llama model(device, config);
  std::map<std::string, Tensor> named;
  for (const WeightSpec& spec : weight_table(config)) named[spec.name] = tensors[named.size()];
  const WeightSource source = [&](const WeightSpec& spec) { return OwnedTensor{named.at(spec.name), nullptr}; };
  ThreadPool pool(1);
  WeightBuilder builder(device, pool, source, std::nullopt, model.storage_->owners);
  model.weights_ = build_weights(model.config_, builder);
  CHECK(model.storage_->owners.empty(), "{} is no type that {} computes with", tensors[0].str(), device.name());
  return model;
}

}  // namespace poro
