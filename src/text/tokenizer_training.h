// A new tokenizer from text files: the Llama 3 pattern, byte-level BPE, and the special tokens of Llama 3's
// chat format at the end.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/threads.h"
#include "text/bpe_trainer.h"

namespace poro {

// The pieces of the files' lines. Throws Error for a file that cannot be read.
WordCounts count_words(const std::vector<std::filesystem::path>& files, ThreadPool& pool);

// The special tokens that a trained tokenizer has, in the order of their ids: the last of the vocabulary.
const std::vector<std::string>& trained_special_tokens();

// tokenizer.json and tokenizer_config.json, as the Rust tokenizers and transformers load them.
std::string tokenizer_json_of(const TrainedBpe& trained);
std::string tokenizer_config_of_trained();

}  // namespace poro
