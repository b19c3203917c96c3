#include "data/corpus/decontaminate.h"

#include "base/error.h"
#include "data/line_reader.h"

namespace poro {
namespace {

uint64_t hash_of_run(const std::vector<std::string>& words, size_t begin, size_t size) {
  uint64_t hash = size;
  for (size_t i = begin; i < begin + size; ++i) hash = hash_bytes(words[i], hash);
  return hash;
}

// Every string in a JSON value.
template <class Use>
void for_strings(const RecordJson& value, const Use& use) {
  if (value.is_string()) return use(value.get_ref<const std::string&>());
  if (value.is_structured())
    for (const RecordJson& child : value) for_strings(child, use);
}

}  // namespace

DecontaminateStep::DecontaminateStep(const DecontaminateOptions& options)
    : ngram_(static_cast<size_t>(options.ngram)), tests_of_(ngram_ + 1) {
  for (const std::filesystem::path& path : options.tests) {
    if (!std::filesystem::exists(path))
      fail("there is no file {}; --against names the test sets", path.string());
    const size_t test = tests_.size();
    size_t before = 0, after = 0;
    for (const auto& runs : tests_of_) before += runs.size();
    tests_.push_back(path.filename().string());
    LineReader reader(path);
    for (LineBlock block; reader.next(block);)
      for_lines(block, [&](std::string_view line, int64_t) {
        const RecordJson json = RecordJson::parse(line, nullptr, /*allow_exceptions=*/false);
        if (json.is_discarded())
          add_text(line, test);
        else
          for_strings(json, [&](const std::string& text) { add_text(text, test); });
      });
    for (const auto& runs : tests_of_) after += runs.size();
    if (before == after)
      fail("{} has no text of {} words or more; is it a test set?", path.string(),
           std::min(ngram_, size_t{kMinWords}));
  }
}

void DecontaminateStep::add_text(std::string_view text, size_t test) {
  const std::vector<std::string> words = words_of(text);
  const size_t size = std::min(words.size(), ngram_);
  if (size < std::min(ngram_, size_t{kMinWords})) return;
  for (size_t i = 0; i + size <= words.size(); ++i)
    tests_of_[size].emplace(hash_of_run(words, i, size), static_cast<uint32_t>(test));
}

void DecontaminateStep::judge(Document& document) const {
  const std::vector<std::string> words = words_of(joined_text(document));
  for (size_t size = 1; size < tests_of_.size(); ++size) {
    if (tests_of_[size].empty()) continue;
    for (size_t i = 0; i + size <= words.size(); ++i) {
      const auto found = tests_of_[size].find(hash_of_run(words, i, size));
      if (found == tests_of_[size].end()) continue;
      document.removed = "in " + tests_[found->second];
      std::string overlap;
      for (size_t k = i; k < i + size; ++k) overlap += (k > i ? " " : "") + words[k];
      document.fields["overlap"] = overlap;
      return;
    }
  }
}

}  // namespace poro
