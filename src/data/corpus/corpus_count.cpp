#include "data/corpus/corpus_count.h"

#include "data/corpus/step.h"

namespace poro {
namespace {

// A step that changes nothing and counts.
class CountStep final : public DataStep {
 public:
  void judge(Document& document) const override {
    const std::string text = joined_text(document);
    document.fingerprint = {text.size(), words_of(text).size()};
  }
  void decide(Document& document) override {
    counts[{source_of(document), language_of(document)}].add(
        {.documents = 1,
         .bytes = static_cast<int64_t>(document.fingerprint[0]),
         .words = static_cast<int64_t>(document.fingerprint[1])});
    document.removed = "counted";  // Nothing is written.
  }

  CorpusCounts counts;
};

}  // namespace

void CorpusCount::add(const CorpusCount& other) {
  documents += other.documents;
  bytes += other.bytes;
  words += other.words;
}

CorpusCounts count_corpus(const std::filesystem::path& file, ThreadPool& pool) {
  CountStep step;
  run_step(step, {.inputs = {file}, .outputs = {}}, pool);
  return std::move(step.counts);
}

}  // namespace poro
