#include "infer/generator.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "base/error.h"
#include "infer/sampler.h"
#include "infer/stop_strings.h"

namespace poro {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Generation::LogProbs log_probs_of(const Tensor& logits, int32_t chosen, int64_t num_alternatives) {
  const std::vector<double> all = log_softmax(logits);
  std::vector<int32_t> order(all.size());
  std::iota(order.begin(), order.end(), 0);
  const auto at = [&](int32_t id) { return all[static_cast<size_t>(id)]; };
  const auto end = order.begin() + std::min<int64_t>(num_alternatives, std::ssize(order));
  std::partial_sort(order.begin(), end, order.end(),
                    [&](int32_t a, int32_t b) { return at(a) != at(b) ? at(a) > at(b) : a < b; });
  Generation::LogProbs result{.chosen = {chosen, at(chosen)}, .likeliest = {}};
  for (auto id = order.begin(); id != end; ++id) result.likeliest.push_back({*id, at(*id)});
  return result;
}

// From ids to the text a reader sees: whole characters, nothing of a stop string.
class VisibleText {
 public:
  VisibleText(const Tokenizer* tokenizer, const GenerationRequest& request,
              const std::function<void(std::string_view)>& on_text)
      : tokenizer_(tokenizer), stops_(request.stop_strings), on_text_(on_text) {
    if (tokenizer != nullptr) stream_.emplace(*tokenizer, SkipSpecial::kYes);
  }

  // False once a stop string was found. Ids past the tokenizer's last are padding of the embedding table, and
  // no text.
  bool push(int32_t id) {
    if (stream_ && id < tokenizer_->vocab_size()) show(stops_.push(stream_->push(id)));
    return !stops_.is_found();
  }

  std::string finish() {
    if (stream_ && !stops_.is_found()) {
      show(stops_.push(stream_->finish()));
      if (!stops_.is_found()) show(stops_.finish());
    }
    return std::move(text_);
  }

 private:
  void show(const std::string& piece) {
    text_ += piece;
    if (on_text_ && !piece.empty()) on_text_(piece);
  }

  const Tokenizer* tokenizer_;
  std::optional<TextStream> stream_;
  StopStrings stops_;
  const std::function<void(std::string_view)>& on_text_;
  std::string text_;
};

}  // namespace

Generator::Generator(Llama& model, const Tokenizer* tokenizer, int64_t context)
    : model_(model), tokenizer_(tokenizer), cache_(model.make_cache(1, context)) {}

void Generator::forget() {
  cache_.truncate(0, 0);
  cached_ids_.clear();
}

void Generator::check_prompt(const std::vector<int32_t>& ids) const {
  if (ids.empty()) fail("the prompt is empty; give at least one token");
  if (std::ssize(ids) >= context())
    fail(
        "the prompt has {} tokens, and the context of {} must hold it and at least one more; shorten the "
        "prompt{}",
        ids.size(), context(),
        context() < model_.config().max_positions
            ? fmt::format(", or raise --context (the model allows {})", model_.config().max_positions)
            : "");
  const int64_t vocab_size = model_.config().vocab_size;
  for (size_t i = 0; i < ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= vocab_size)
      fail(
          "token {} at index {} of the prompt is outside the model's vocabulary of {}; do tokenizer and "
          "model belong together?",
          ids[i], i, vocab_size);
}

// Appends ids to the cache, in chunks. Returns the logits (V) after the last, or nothing when cancelled on
// the way.
Tensor Generator::feed(std::span<const int32_t> ids, const std::atomic<bool>* is_cancelled) {
  Tensor hidden;
  while (!ids.empty()) {
    if (is_cancelled != nullptr && *is_cancelled) return {};
    const auto chunk = ids.first(std::min<size_t>(ids.size(), static_cast<size_t>(model_.max_tokens())));
    const SequenceTokens batch[] = {{.sequence = 0, .ids = chunk}};
    hidden = model_.forward(batch, cache_);
    cached_ids_.insert(cached_ids_.end(), chunk.begin(), chunk.end());
    ids = ids.subspan(chunk.size());
  }
  return model_.logits(hidden.rows(hidden.dim(0) - 1, 1)).reshaped({model_.config().vocab_size});
}

Generation Generator::generate(const GenerationRequest& request,
                               const std::function<void(std::string_view)>& on_text) {
  check_prompt(request.ids);
  const std::vector<int32_t>& prompt = request.ids;
  const int64_t room = context() - std::ssize(prompt);
  const int64_t limit = std::min(request.max_new_tokens.value_or(room), room);
  Generation result{.prompt_tokens = std::ssize(prompt)};
  if (limit <= 0) return result;

  // The last token of the prompt is always fed again: its logits are not kept.
  const auto differ =
      std::mismatch(prompt.begin(), prompt.end() - 1, cached_ids_.begin(), cached_ids_.end()).first;
  result.cached_tokens = differ - prompt.begin();
  cache_.truncate(0, result.cached_tokens);
  cached_ids_.resize(static_cast<size_t>(result.cached_tokens));
  const auto start = std::chrono::steady_clock::now();
  Tensor logits =
      feed(std::span(prompt).subspan(static_cast<size_t>(result.cached_tokens)), request.is_cancelled);
  result.prefill_seconds = seconds_since(start);

  const auto decode_start = std::chrono::steady_clock::now();
  Sampler sampler(request.sampling);
  sampler.add_prompt(prompt);
  VisibleText visible(tokenizer_, request, on_text);
  while (true) {
    if (!logits) {
      result.finish_reason = FinishReason::kCancelled;
      break;
    }
    const int32_t id = sampler.next(logits);
    result.ids.push_back(id);
    if (request.num_alternatives)
      result.log_probs.push_back(log_probs_of(logits, id, *request.num_alternatives));
    const bool is_stop_id =
        std::find(request.stop_ids.begin(), request.stop_ids.end(), id) != request.stop_ids.end();
    if (is_stop_id || !visible.push(id)) {
      result.finish_reason = FinishReason::kStop;
      break;
    }
    if (std::ssize(result.ids) == limit) {
      result.is_context_full = limit == room && limit < request.max_new_tokens.value_or(limit + 1);
      break;
    }
    logits = feed({&id, 1}, request.is_cancelled);
  }
  result.text = visible.finish();
  result.decode_seconds = seconds_since(decode_start);
  return result;
}

}  // namespace poro
