// What is asked of a model that generates, and what comes of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "infer/sampling_parameters.h"

namespace poro {

struct GenerationRequest {
  std::vector<int32_t> ids = {};  // The prompt.
  SamplingParameters sampling = {};
  std::optional<int64_t> max_new_tokens = {};  // None: as far as the context reaches.
  std::vector<int32_t> stop_ids = {};          // Generation ends with any of these.
  std::vector<std::string> stop_strings = {};  // And before any of these; none empty.
  std::optional<int64_t> num_alternatives =
      {};  // Set: the log-probability of every token, and those of this many likeliest ones.
  const std::atomic<bool>* is_cancelled = nullptr;  // Looked at before every token.
};

enum class FinishReason { kStop, kLength, kCancelled };

struct TokenLogProb {
  int32_t id = 0;
  double log_prob = 0;  // Of the model's own distribution, before penalties and temperature.
};

struct Generation {
  std::vector<int32_t> ids = {};  // All that was drawn, the stop token included.
  std::string text = {};  // Without special tokens, cut before the stop string. Empty without a tokenizer.
  FinishReason finish_reason = FinishReason::kLength;
  bool is_context_full = false;  // The context ended it, before max_new_tokens.

  struct LogProbs {
    TokenLogProb chosen = {};
    std::vector<TokenLogProb> likeliest = {};
  };
  std::vector<LogProbs> log_probs = {};  // One for each of `ids`, if asked for.

  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // Of the prompt, found in the cache.
  double prefill_seconds = 0, decode_seconds = 0;
};

// Gets the text piece by piece, whole characters only.
using OnText = std::function<void(std::string_view)>;

}  // namespace poro
