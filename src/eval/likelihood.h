// How likely a model finds a continuation of a text, token by token, as lm-evaluation-harness asks it: spaces
// at the end of the text belong to the continuation, both are encoded together, and what does not fit the
// context is cut off at the front.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "infer/scorer.h"
#include "text/tokenizer.h"

namespace poro {

class Likelihood {
 public:
  // `context`: the most tokens the model looks at. Both must outlive this.
  Likelihood(Llama& model, const Tokenizer& tokenizer, int64_t context);

  // The natural logarithm of each continuation's probability. Throws Error for an empty one.
  std::vector<double> operator()(const std::string& text, std::span<const std::string> continuations);

  // Of a whole text, from its first token on, in windows that overlap by half.
  struct Sum {
    double log_prob = 0;
    int64_t tokens = 0, bytes = 0;
  };
  Sum whole(const std::string& text);

 private:
  std::vector<int32_t> with_bos(const std::string& text) const;

  const Tokenizer& tokenizer_;
  const size_t context_;
  Scorer scorer_;
};

}  // namespace poro
