// A step of `poro data`: what happens to each document of a corpus on its way from files to files. Documents
// are read and judged on all threads, decided and written in the order of the files, so the outcome never
// depends on timing, and no more than a few blocks of lines are held at once.
#pragma once

#include <filesystem>
#include <map>
#include <vector>

#include "base/threads.h"
#include "data/corpus/document.h"

namespace poro {

class DataStep {
 public:
  virtual ~DataStep() = default;
  // On any thread, one document alone: changes its texts, sets `removed` or `fingerprint`.
  virtual void judge(Document&) const {}
  // In the order of the files, for those that are not removed: what depends on the documents before.
  virtual void decide(Document&) {}
};

struct CorpusFiles {
  std::vector<std::filesystem::path> inputs;
  std::vector<std::filesystem::path> outputs;  // Of every Document::part
  std::filesystem::path removed = {};          // Documents that go, with "removed": why; none when empty
};

struct StepReport {
  struct Count {
    int64_t documents = 0, bytes = 0;  // Bytes of text
  };
  Count in, out;
  std::map<std::string, Count> removed;  // By reason

  nlohmann::ordered_json to_json() const;
};

// Throws Error naming file and line for a line that is no document; then no output is written.
StepReport run_step(DataStep& step, const CorpusFiles& files, ThreadPool& pool);

}  // namespace poro
