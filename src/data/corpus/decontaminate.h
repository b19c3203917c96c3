// The step that keeps test sets out of training: a document goes when it shares a run of N words with a text
// of the tests (13 words, as in Brown et al., Language models are few-shot learners, 2020, appendix C). Test
// texts of fewer words count as a whole, from 8 words on; shorter ones are too common to mean anything.
#pragma once

#include <unordered_map>

#include "data/corpus/step.h"

namespace poro {

struct DecontaminateOptions {
  std::vector<std::filesystem::path> tests;  // JSON Lines (every string in a line is a text), or plain lines
  int64_t ngram = 13;
};

class DecontaminateStep final : public DataStep {
 public:
  static constexpr int64_t kMinWords = 8;

  // Reads the tests. Throws Error for a file that cannot be read, or has no text long enough.
  explicit DecontaminateStep(const DecontaminateOptions& options);

  // Gives a document that goes the field "overlap": the shared words.
  void judge(Document& document) const override;

 private:
  void add_text(std::string_view text, size_t test);

  size_t ngram_;
  std::vector<std::string> tests_;
  std::vector<std::unordered_map<uint64_t, uint32_t>>
      tests_of_;  // By length: hash of words to the test it is from
};

}  // namespace poro
