// Rows of token ids, written as JSONL and made into shards and mixtures: data for tests without a tokenizer.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>

#include "data/mixture.h"
#include "tests/scratch_folder.h"

namespace poro {

class TokenSource {
 public:
  static constexpr int64_t kVocabSize = 100000;

  TokenSource() : folder_(std::make_unique<ScratchFolder>()) {}

  void add_row(const std::vector<int32_t>& ids, const std::vector<int32_t>& labels = {}) {
    nlohmann::json line = {{"input_ids", ids}};
    if (!labels.empty()) line["labels"] = labels;
    lines_ += line.dump() + "\n";
  }
  void add_pair(const std::vector<int32_t>& prompt, const std::vector<int32_t>& chosen,
                const std::vector<int32_t>& rejected) {
    kind_ = RowKind::kPairs;
    lines_ +=
        nlohmann::json{{"prompt_ids", prompt}, {"chosen_ids", chosen}, {"rejected_ids", rejected}}.dump() +
        "\n";
  }

  std::filesystem::path path() const {
    const std::filesystem::path file = *folder_ / "rows.jsonl";
    std::error_code absent;  // Several ranks may ask at once: nothing is written that is there.
    if (std::filesystem::file_size(file, absent) != lines_.size()) std::ofstream(file) << lines_;
    return file;
  }
  Shard shard() const {
    ThreadPool pool(1);
    const RowEncoder encoder(folder_->path(), kVocabSize, {});
    return open_or_make_shard({.source = path(), .kind = kind_, .cache = *folder_ / "cache"}, encoder, pool);
  }
  std::unique_ptr<Mixture> mixture(const PackingOptions& options, Order order) const;

 private:
  std::unique_ptr<ScratchFolder> folder_;
  RowKind kind_ = RowKind::kRows;
  std::string lines_;
};

struct SharedSource {
  const TokenSource* source;
  double share;
};

inline std::vector<MixtureSource> mixture_sources(const std::vector<SharedSource>& shared,
                                                  const PackingOptions& options) {
  std::vector<MixtureSource> sources;
  for (const auto& [source, share] : shared) {
    auto shard = std::make_unique<Shard>(source->shard());
    auto packing = std::make_unique<Packing>(*shard, options);
    sources.push_back(
        {.name = "source", .shard = std::move(shard), .packing = std::move(packing), .share = share});
  }
  return sources;
}

inline std::unique_ptr<Mixture> TokenSource::mixture(const PackingOptions& options, Order order) const {
  return std::make_unique<Mixture>(mixture_sources({{this, 1.0}}, options), order, 1);
}

}  // namespace poro
