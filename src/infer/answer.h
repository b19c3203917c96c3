// One request on its way: from the logits after each token to the next token and the text, until something
// says stop. Knows nothing of the model or of the requests beside it.
#pragma once

#include <optional>

#include "infer/generation.h"
#include "infer/sampler.h"
#include "infer/stop_strings.h"
#include "text/tokenizer.h"

namespace poro {

// From ids to the text a reader sees: whole characters, nothing of a stop string.
class VisibleText {
 public:
  VisibleText(const Tokenizer* tokenizer, const std::vector<std::string>& stop_strings, OnText on_text);

  // False once a stop string was found. Ids past the tokenizer's last are padding of the embedding table, and
  // no text.
  bool push(int32_t id);
  std::string finish();

 private:
  void show(const std::string& piece);

  const Tokenizer* tokenizer_;
  std::optional<TextStream> stream_;
  StopStrings stops_;
  OnText on_text_;
  std::string text_;
};

class Answer {
 public:
  // `context`: the most tokens of prompt and answer together; the prompt leaves room in it.
  Answer(GenerationRequest request, const Tokenizer* tokenizer, int64_t context, OnText on_text);

  const std::vector<int32_t>& prompt() const { return request_.ids; }
  // Of prompt and answer, at most.
  int64_t max_tokens() const { return std::ssize(request_.ids) + limit_; }
  bool is_done() const { return is_done_; }
  // The token that was drawn last.
  int32_t last() const { return result_.ids.back(); }
  bool is_cancelled() const { return request_.is_cancelled != nullptr && *request_.is_cancelled; }

  // Draws a token from the logits (V) after the last one. Throws Error for logits that are no numbers.
  void take(const Tensor& logits);
  // Whether the likeliest tokens may be enough for the next one; then try to take it so. False: they are not,
  // and nothing is taken.
  bool takes_likely() const { return !request_.num_alternatives && !sampler_.needs_all(); }
  bool take(const LikelyTokens& tokens);
  double temperature() const { return request_.sampling.temperature; }
  // Whether the next token is the likeliest one and nothing else of the logits is asked for; then take it so.
  bool takes_likeliest() const;
  void take(int32_t id);
  void cancel();
  // What there is, with the rest of the text.
  Generation finish();

 private:
  GenerationRequest request_;
  int64_t room_, limit_;  // Of tokens to draw: in the context, and at most.
  Sampler sampler_;
  VisibleText visible_;
  Generation result_;
  bool is_done_;
};

}  // namespace poro
