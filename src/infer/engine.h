// Many requests at once over one cache: each step feeds one chunk of a prompt and one token of every sequence
// that is being answered; a sequence that ends gives its place to the next request at once (continuous
// batching: Yu et al., Orca, OSDI 2022).
//
// An answer is a function of its request, to the last bit, whatever is answered beside it: a prompt is fed in
// chunks of its own, cut where they always are, and the CPU's products give a row the same sums for any
// number of rows up to kMaxSequences, which is also as far as more rows cost nothing but the reading of
// weights.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <span>

#include "infer/answer.h"
#include "model/llama.h"

namespace poro {

class Engine {
 public:
  static constexpr int64_t kMaxSequences = 8;

  // What a place of the cache holds when its answer is done: kept ones spare the next request the beginning
  // that both share, but then answers may differ in their last bits from those that were computed whole.
  enum class Prefix { kForgotten, kKept };
  struct Options {
    int64_t context = 0;                // The most tokens of a prompt and its answer together.
    int64_t sequences = kMaxSequences;  // Answered together.
    Prefix prefix = Prefix::kForgotten;
  };
  // Without a tokenizer (null) there is no text.
  Engine(Llama& model, const Tokenizer* tokenizer, const Options& options);

  // Queues a request and returns its number. Throws Error for an empty prompt, one that leaves no room in the
  // context, or an id outside the vocabulary.
  int64_t submit(GenerationRequest request, OnText on_text = {});
  // Ends a request, queued or begun: the next step returns what there is of it, as cancelled.
  void cancel(int64_t number);

  struct Finished {
    int64_t number;
    Generation generation;
    std::string error;  // Not empty: logits that are no numbers.
  };
  // Goes on with all of them, and returns those that ended.
  std::vector<Finished> step();

  bool is_idle() const { return waiting_.empty() && num_active_ == 0; }
  int64_t context() const { return options_.context; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Task {
    int64_t number;
    std::unique_ptr<Answer> answer;
  };
  struct Place {
    std::unique_ptr<Answer> answer = {};  // Null: free.
    int64_t number = 0, reserved = 0;     // Positions of the cache that the answer may come to need.
    int64_t cached_tokens = 0;            // Of the prompt, found in the cache.
    std::vector<int32_t> ids = {};        // What the cache holds.
    Clock::time_point begin = {}, first_token = {};
    std::string error = {};

    bool is_prefilling() const { return answer && ids.size() < answer->prompt().size(); }
  };

  void check_prompt(const std::vector<int32_t>& ids) const;
  void admit();
  void enter(Place& place, Task task);
  void forget(Place& place, int64_t length);
  Tensor feed(std::span<const SequenceTokens> batch);
  void prefill();
  void decode();
  void decode_likely(std::span<const SequenceTokens> batch, const Tensor& hidden);
  void take(Place& place, const Tensor& logits);
  void collect(std::vector<Finished>& finished);

  Llama& model_;
  const Tokenizer* tokenizer_;
  Options options_;
  KvCache cache_;
  int64_t free_positions_;
  std::vector<Place> places_;
  std::deque<Task> waiting_;
  int64_t num_active_ = 0, next_number_ = 0;
};

}  // namespace poro
