// The model: weights on a device, and the forward pass in its two forms: over a paged cache (generation) and
// over packed rows (training). Both run the same block; only attention differs.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/device.h"
#include "model/config.h"
#include "model/kv_cache.h"
#include "model/tensor_ranks.h"
#include "model/weights.h"

namespace poro {

// New tokens of one sequence of a cache.
struct SequenceTokens {
  int64_t sequence = 0;
  std::span<const int32_t> ids;  // At least one, each within the vocabulary.
};

struct LoadOptions {
  std::optional<DType> weights = {};  // kF32, kBF16, kI8, kI4, or none: as the checkpoint stores them.
  std::optional<DType> cache =
      {};                 // Of keys and values: kF32, kBF16, on GPUs kF8, or none: as exact as the weights.
  Comm* ranks = nullptr;  // That split each matrix, if any: this one takes its part.
  std::filesystem::path cache_folder =
      {};  // Where int8 and int4 weights are kept for the next start; empty: nowhere.
  // Holds the embedding and the first blocks, of a model that is too large for the device; none: null.
  Device* first_device = nullptr;
  int64_t first_layers = 0;
};

enum class Purpose;
struct ForwardPlan;
struct RmsNormBackward;

// What training does not keep for the way back, and computes again there: nothing; norms and gates (cheap, a
// fourth of the memory); everything inside a block but its input. Gradients are the same, bit for bit.
enum class Recompute { kNone, kSelective, kFull };

// Units of weights that training uses together: 0 is the embedding, 1 + l block l, 1 + L the final norm and
// the head. Whoever holds the weights in pieces is told before a unit is used, and when its gradients begin
// and are complete.
class WeightUnits {
 public:
  virtual ~WeightUnits() = default;
  virtual void fetch(int64_t unit) = 0;
  virtual void begin_gradients(int64_t unit) = 0;
  virtual void end_gradients(int64_t unit) = 0;
};

class Llama {
 public:
  // Blocks [first, last) of a model and the device that has their weights and their keys and values, and runs
  // them. The first stage begins with the embedding, the last one ends with the final norm and the head;
  // between two of them the hidden states are copied. Most models are one stage.
  struct Stage {
    Device* device = nullptr;
    int64_t first = 0, last = 0;
    std::optional<DType> arriving = {};  // Of the hidden states from the stage before; none: the first stage.
  };

  // The most new tokens of one forward call; longer prompts go through in chunks. A GPU wants more at once.
  static constexpr int64_t kMaxTokens = 512, kMaxTokensOnGpu = 4096;
  int64_t max_tokens() const {
    return device_->is_cuda() && stages_.size() == 1 ? kMaxTokensOnGpu : kMaxTokens;
  }

  // Opens a Hugging Face folder and prepares its weights for the device. Throws Error.
  static Llama load(Device& device, const std::filesystem::path& folder, const LoadOptions& options);
  // Random weights of a given shape, about normal with deviation 0.02: for benchmarks and tests. The same on
  // any number of ranks.
  static Llama random(Device& device, const LlamaConfig& config, DType weights, uint64_t seed,
                      const LoadOptions& options = {});
  // A model over tensors that someone else owns and may change between calls: training. In the order of the
  // weight table.
  static Llama over(Device& device, const LlamaConfig& config, std::span<const Tensor> tensors);
  // Makes the memory of training passes.
  struct TrainingPasses {
    int64_t max_tokens = 0;  // Of one pass; a multiple of the ranks
    Recompute recompute = Recompute::kNone;
    WeightUnits* units = nullptr;  // Whom to tell about units of weights, if anyone
    Comm* tensor_ranks = nullptr;  // Ranks that hold the other parts of each matrix, if any
  };
  void prepare_training(const TrainingPasses& passes);
  // Of the memory that prepare_training made.
  size_t training_bytes() const;
  ~Llama();
  Llama(Llama&&) noexcept;

  // Of the whole model, also where ranks split it.
  const LlamaConfig& config() const { return whole_config_; }
  int num_ranks() const { return ranks_.size(); }
  const LlamaWeights& weights() const { return weights_; }
  // Where the head is, and all the rest unless the model has several stages.
  Device& device() const { return *device_; }
  const std::vector<Stage>& stages() const { return stages_; }
  // Bytes of weights that every token reads: all but the embedding table.
  size_t bytes_per_token() const;
  // Unless told otherwise the cache is as exact as the weights: half the memory and traffic where they are
  // rounded anyway.
  DType cache_dtype() const;
  // Of a cache on this rank, and what of that lies on device().
  size_t cache_bytes(const KvCacheOptions& options) const;
  size_t cache_bytes_on_device(const KvCacheOptions& options) const;
  // A cache fit for this model and device.
  KvCache make_cache(int64_t max_sequences, int64_t max_positions);
  KvCache make_cache(KvCacheOptions options);  // Its dtype is chosen here.

  // Ranks that split a model: the first one calls the functions below, but for those of training, and the
  // others call this, which does the same on their parts until the first one's model is gone. Throws Error.
  void follow();

  // Each of the three returns a tensor in the device's memory that lives until the next call of the same
  // function.

  // Runs the new tokens, at most kMaxTokens in all, and appends them to the cache. Returns the hidden states
  // (T, C) after the final norm, sequence after sequence.
  Tensor forward(std::span<const SequenceTokens> batch, KvCache& cache);
  // The same over packed rows without a cache; `starts[t]` is where the document of token t begins.
  Tensor forward_packed(std::span<const int32_t> ids, std::span<const int32_t> starts);
  // The same, keeping what backward() needs.
  Tensor forward_training(std::span<const int32_t> ids, std::span<const int32_t> starts);
  // Adds to `gradients` those of the loss whose derivative by the log-probability of targets[t] is
  // -coefficients[t], at the tokens of the last forward_training(). Rows with coefficient zero need no
  // target. Returns the log-probabilities of the targets, for losses whose coefficients do not need them.
  std::vector<double> backward(std::span<const int32_t> targets, std::span<const double> coefficients,
                               LlamaGradients& gradients);
  // Log-probabilities of the targets at the tokens of the last forward_training(); of all ranks that split
  // the matrices alike.
  std::vector<double> training_log_probs(std::span<const int32_t> targets);
  // The head: logits (T, V) after hidden states (T, C), f64 on the reference device and else f32, in the
  // host's memory.
  Tensor logits(const Tensor& hidden);

  // The likeliest next token after each hidden state, the lowest id among equals; -1 where logits are no
  // numbers. Only the ids leave the device.
  std::vector<int32_t> likeliest(const Tensor& hidden);

  // On a GPU, after each hidden state: the ids and logits of the likeliest tokens, up to some hundreds, in no
  // order, and what all tokens weigh (TopLogits). The temperatures are above 0.
  struct Likely {
    std::vector<int32_t> ids;
    std::vector<float> logits;
    double total = 0;
  };
  std::vector<Likely> likely(const Tensor& hidden, std::span<const double> temperatures);

  // Log-probabilities of `targets[t]` after hidden state t; the head runs in chunks, (T, V) is never stored.
  std::vector<double> log_probs(const Tensor& hidden, std::span<const int32_t> targets);

 private:
  struct Storage;      // Owns what the weights point into.
  struct Activations;  // Memory of one forward call.

  enum class Order : int32_t { kForward, kHead, kLikeliest, kLogProbs, kClose };

  Llama(Device& device, const LlamaConfig& config, const LoadOptions& options);
  bool is_leading() const { return !ranks_.is_alone() && ranks_.rank() == 0; }
  void tell(Order order, std::span<const int32_t> content);
  void tell(Order order, const Tensor& hidden, std::span<const int32_t> content = {});
  void tell_forward(const ForwardPlan& plan, const KvCache& cache);
  Tensor forward(const ForwardPlan& plan, const KvCache& cache);
  void forward_stage(Activations& a, const ForwardPlan& plan, const KvCache& cache);
  void begin_stage(Activations& a);
  void end_stage(Activations& a);
  Activations& prepare(std::unique_ptr<Activations>& activations, const Stage& stage, Purpose purpose,
                       int64_t count);
  Activations& enter_stage(size_t stage, std::span<const int32_t> ids);
  void check_ids(std::span<const int32_t> ids, const Activations& a) const;
  void forward_packed_into(Activations& a, std::span<const int32_t> ids, std::span<const int32_t> starts);
  template <class Attend>
  void forward_blocks(Activations& a, const Attend& attend);
  template <class Attend>
  void forward_block(Activations& a, int64_t layer, const Attend& attend);
  template <class Attend>
  void decode_blocks(Activations& a, const KvCache& cache, const Tensor& slots, const Attend& attend);
  auto packed_attention(const Activations& a) const;  // In training, each document to itself: an Attend.
  // What the way back needs of a block and the forward pass did not keep.
  void recompute_block(Activations& a, int64_t layer);
  // Of the last stage, where the head is.
  Activations& ending() const { return *activations_.back(); }
  DType cache_dtype_on(const Device& device) const;
  std::vector<KvCache::Part> cache_parts() const;
  Tensor head(const Tensor& hidden);
  Tensor whole_head(const Tensor& hidden);
  void project(Activations& a, const Tensor& x, const Matrix& w, const Tensor& residual, const Tensor& y);
  void backward_norm(Activations& a, const RmsNormBackward& op);
  Tensor on_device(std::span<const int32_t> targets);
  std::vector<double> split_log_probs(const Tensor& targets, std::vector<double>& denominators);
  std::vector<double> backward_head(std::span<const int32_t> targets, std::span<const double> coefficients,
                                    const Tensor& dhead);
  void backward_block(Activations& a, int64_t layer, LlamaGradients::Layer& gradients);

  std::vector<Stage> stages_;
  Device* device_;                     // Of the last stage.
  TensorRanks ranks_;                  // In generation.
  LlamaConfig whole_config_, config_;  // The latter of this rank's part.
  std::optional<DType> cache_dtype_;
  LlamaWeights weights_;
  std::unique_ptr<Storage> storage_;
  std::vector<std::unique_ptr<Activations>> activations_;  // Of each stage, in generation.
  std::unique_ptr<Activations> training_;
  // Of decoding on a GPU: by the cache, the memory of tables and activations, the sequences, and the greatest
  // length.
  std::map<std::array<uintptr_t, 4>, Recording> recordings_;
  WeightUnits* units_ = nullptr;
  std::vector<std::weak_ptr<const int32_t>>
      caches_;  // The numbers of those that this model made, where ranks split it.
  int32_t num_caches_ = 0;
};

}  // namespace poro
