// The filter step: documents that are not running text in their language go. Each rule is a row of one table
// in filter.cpp, with its source: Gopher (Rae et al., Scaling language models, 2021, table A1 and A.1.1), C4
// (Raffel et al., Exploring the limits of transfer learning, 2020), or ours.
#pragma once

#include <optional>

#include "data/corpus/step.h"
#include "text/language.h"

namespace poro {

struct FilterOptions {
  std::filesystem::path identifier = {};  // lid.176.ftz; empty: languages are not looked at
  double min_probability = 0.65;          // C4 has 0.99, FineWeb 0.65
  std::string language = {};              // What every document should be; empty: what its "lang" says
  int64_t min_words = 50, max_words = 100000;
  double max_word_length = 10;   // Mean; Finnish wants 14
  double max_symbols = 1;        // Share of characters that are <>{}[]|\_=#@$%^~`*
  bool has_prose_lines = false;  // Lines that are no sentences are cut out of documents first
  bool has_repetition = true;
};

class FilterStep final : public DataStep {
 public:
  explicit FilterStep(FilterOptions options);
  void judge(Document& document) const override;

 private:
  bool is_in_language(const Document& document, const std::string& text) const;

  FilterOptions options_;
  std::optional<LanguageIdentifier> identifier_;
};

// The kind of repetition that is over its limit ("lines", "5-grams"); "" when none is. For tests.
std::string repetition_in(std::string_view text);

}  // namespace poro
