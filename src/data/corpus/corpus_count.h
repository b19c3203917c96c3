// What a corpus file holds: documents, bytes and words of each source and language.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "base/threads.h"

namespace poro {

struct CorpusCount {
  int64_t documents = 0, bytes = 0, words = 0;

  void add(const CorpusCount& other);
};

struct CorpusKey {
  std::string source, language;  // As documents name them; "" where they do not
  auto operator<=>(const CorpusKey&) const = default;
};
using CorpusCounts = std::map<CorpusKey, CorpusCount>;

// Throws Error naming file and line for a line that is no document.
CorpusCounts count_corpus(const std::filesystem::path& file, ThreadPool& pool);

}  // namespace poro
