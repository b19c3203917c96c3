// Chooses the next token of one sequence. The stages and their order are those of transformers: repetition,
// presence and frequency penalties, temperature, top-k, top-p, min-p, typical-p; each narrows a list of
// candidates that stays in the order of the ids. The random number of a token depends on nothing but the seed
// and how many tokens were drawn before it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "base/tensor.h"
#include "infer/sampling_parameters.h"

namespace poro {

// The likeliest tokens: all whose logit reaches some bound.
struct LikelyTokens {
  std::span<const int32_t> ids;  // In no order
  std::span<const float> logits;
  double total = 0;   // The sum over the vocabulary of exp((logit - highest) / temperature)
  int64_t vocab = 0;  // Tokens in all
};

class Sampler {
 public:
  explicit Sampler(const SamplingParameters& parameters)
      : parameters_(parameters), random_(parameters.seed) {}

  // The text that penalties look back on. The repetition penalty counts the prompt, presence and frequency do
  // not.
  void add_prompt(std::span<const int32_t> ids);
  void add_generated(int32_t id);

  // Draws the next token from logits (V), f32 or f64, and adds it to the generated ones. Throws Error when a
  // logit is NaN or all are -inf. Infinite logits are the limit: all probability is shared by those that are
  // +inf.
  int32_t next(const Tensor& logits);
  // The same from a few tokens, where the choice is among them for sure: needs_all() is false, and they are
  // enough. Nothing is drawn otherwise. Sums are then not taken in the same order, so that once in some 1e13
  // draws another token is drawn.
  std::optional<int32_t> next(const LikelyTokens& tokens);
  // Penalties and typical-p look at every token, and so does a choice that nothing narrows.
  bool needs_all() const;

  // What `next` would draw from: the ids left, in rising order, and their probabilities, until the next call.
  struct Distribution {
    std::span<const int32_t> ids;
    std::span<const double> probabilities;
  };
  Distribution distribution(const Tensor& logits);

 private:
  int32_t draw(const Distribution& left);
  void load(const Tensor& logits);
  void load(const LikelyTokens& tokens);
  bool narrow(const LikelyTokens& tokens);
  void apply_penalties();
  void shift_and_scale();
  void keep_top_k();
  void weigh();
  void keep_top_p(double gone);
  void keep_min_p();
  void keep_typical_p();
  template <class Keep>
  void keep_if(const Keep& keep);
  template <class Reached>
  size_t first_reaching(const std::vector<double>& keys, const Reached& is_reached);

  SamplingParameters parameters_;
  std::unordered_map<int32_t, int64_t>
      times_generated_;  // Every token of prompt and answer; 0 for those of the prompt alone.
  Random random_;

  // The candidates, three columns: the id; the logit less the highest one, over the temperature; its
  // probability before top-p, 1 until `weigh`.
  std::vector<int32_t> ids_;
  std::vector<double> logits_, weights_;
  double total_weight_ = 0;  // Of the candidates left.
  double log_sum_ = 0;       // Log of the sum of the exponentials at `weigh`.

  struct Border {  // Scratch of first_reaching.
    std::vector<double> keys, weights;
    std::vector<int32_t> indices, bins;
  };
  Border border_;
  std::vector<double> keys_, bin_weights_;
};

// The highest logit's id, the lowest among equals.
int32_t argmax(std::span<const double> logits);

// Natural log of the softmax of logits (V), f32 or f64.
std::vector<double> log_softmax(const Tensor& logits);

}  // namespace poro
