// One sequence at a time, an engine with one place. What the cache still holds of the last call is used again
// as far as the new prompt begins the same way, so a conversation feeds each turn once.
#pragma once

#include "infer/engine.h"

namespace poro {

class Generator {
 public:
  // `context`: the most tokens of prompt and answer together. Without a tokenizer (null) there is no text.
  Generator(Llama& model, const Tokenizer* tokenizer, int64_t context);

  // Throws Error for an empty prompt, one that leaves no room in the context, an id outside the vocabulary,
  // or logits that are no numbers.
  Generation generate(const GenerationRequest& request, const OnText& on_text = {});

  int64_t context() const { return engine_.context(); }

 private:
  Engine engine_;
};

}  // namespace poro
