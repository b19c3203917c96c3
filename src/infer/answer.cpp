#include "infer/answer.h"

#include <algorithm>
#include <numeric>

namespace poro {
namespace {

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

}  // namespace

VisibleText::VisibleText(const Tokenizer* tokenizer, const std::vector<std::string>& stop_strings,
                         OnText on_text)
    : tokenizer_(tokenizer), stops_(stop_strings), on_text_(std::move(on_text)) {
  if (tokenizer != nullptr) stream_.emplace(*tokenizer, SkipSpecial::kYes);
}

bool VisibleText::push(int32_t id) {
  if (stream_ && id < tokenizer_->vocab_size()) show(stops_.push(stream_->push(id)));
  return !stops_.is_found();
}

std::string VisibleText::finish() {
  if (stream_ && !stops_.is_found()) {
    show(stops_.push(stream_->finish()));
    if (!stops_.is_found()) show(stops_.finish());
  }
  return std::move(text_);
}

void VisibleText::show(const std::string& piece) {
  text_ += piece;
  if (on_text_ && !piece.empty()) on_text_(piece);
}

Answer::Answer(GenerationRequest request, const Tokenizer* tokenizer, int64_t context, OnText on_text)
    : request_(std::move(request)),
      room_(context - std::ssize(request_.ids)),
      limit_(std::min(request_.max_new_tokens.value_or(room_), room_)),
      sampler_(request_.sampling),
      visible_(tokenizer, request_.stop_strings, std::move(on_text)),
      result_{.prompt_tokens = std::ssize(request_.ids)},
      is_done_(limit_ <= 0) {
  sampler_.add_prompt(request_.ids);
}

void Answer::take(const Tensor& logits) {
  const int32_t id = sampler_.next(logits);
  if (request_.num_alternatives)
    result_.log_probs.push_back(log_probs_of(logits, id, *request_.num_alternatives));
  take(id);
}

bool Answer::take(const LikelyTokens& tokens) {
  const std::optional<int32_t> id = sampler_.next(tokens);
  if (id) take(*id);
  return id.has_value();
}

bool Answer::takes_likeliest() const {
  const SamplingParameters& p = request_.sampling;
  return p.temperature == 0 && p.repetition_penalty == 1 && p.presence_penalty == 0 &&
         p.frequency_penalty == 0 && !request_.num_alternatives;
}

void Answer::take(int32_t id) {
  result_.ids.push_back(id);
  const bool is_stop_id =
      std::find(request_.stop_ids.begin(), request_.stop_ids.end(), id) != request_.stop_ids.end();
  if (is_stop_id || !visible_.push(id)) {
    result_.finish_reason = FinishReason::kStop;
    is_done_ = true;
  } else if (std::ssize(result_.ids) == limit_) {
    result_.is_context_full = limit_ == room_ && limit_ < request_.max_new_tokens.value_or(limit_ + 1);
    is_done_ = true;
  }
}

void Answer::cancel() {
  result_.finish_reason = FinishReason::kCancelled;
  is_done_ = true;
}

Generation Answer::finish() {
  result_.text = visible_.finish();
  return std::move(result_);
}

}  // namespace poro
