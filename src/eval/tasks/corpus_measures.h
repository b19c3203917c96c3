// What is measured on running text: how well a model predicts it, counted by bytes so that tokenizers do not
// matter, and how many tokens a tokenizer makes of a word.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "eval/likelihood.h"
#include "eval/run_folder.h"

namespace poro::corpus {

// JSONL of {"text"}. Throws Error.
std::vector<std::string> load(const std::filesystem::path& path);

struct Result {
  std::vector<RunItem> items;
  nlohmann::ordered_json summary;
};

// Perplexity per byte: exp of the mean negative log-likelihood of a byte. The score of an item is its bits
// per byte. What is in the run's journal is not computed again.
using Whole = std::function<Likelihood::Sum(const std::string& text)>;
Result perplexity(RunFolder& folder, const std::vector<std::string>& texts, const Whole& whole);

// Fertility: tokens per word, where words stand between white space. The score of an item is its own.
Result fertility(const Tokenizer& tokenizer, const std::vector<std::string>& texts);

}  // namespace poro::corpus
