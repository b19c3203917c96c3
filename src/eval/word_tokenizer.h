// Words as NLTK's word_tokenize gives them: sentences by Punkt, then the Penn Treebank conventions (clitics
// and punctuation apart, a period only at the end of the sentence), which NLTK writes as a chain of
// replacements whose order matters.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eval/pattern.h"
#include "eval/punkt.h"

namespace poro {

class WordTokenizer {
 public:
  WordTokenizer();

  // The tokens of every sentence, in order.
  std::vector<std::string> tokens(const Punkt& punkt, std::string_view text) const;
  // The tokens of one sentence.
  std::vector<std::string> tokens(std::string_view sentence) const;

 private:
  using Rules = std::vector<std::pair<Pattern, std::string>>;
  Rules marks_, clitics_;
};

}  // namespace poro
