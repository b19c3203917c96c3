// Translation of sentences, FLORES-200 or any other aligned set, with examples before each; BLEU and chrF++
// by sacrebleu's definitions. NLLB team, No Language Left Behind, 2022.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "eval/run_folder.h"

namespace poro::translation {

struct Direction {
  std::string source, target;  // ISO 639-1: the names of the columns.
};
struct Pair {
  std::string source, target;
};
// JSONL with a column per language. `set` picks the rows whose "set" it is; empty: all. Throws Error.
std::vector<Pair> load(const std::filesystem::path& path, const Direction& direction, const std::string& set);

// For a base model text to continue ("English: ...\nFinnish:") after the examples, which are the same for
// every sentence; for a chat model the same as turns of a conversation.
enum class Form { kText, kChat };
std::vector<ChatRequest> render(std::span<const Pair> pairs, std::span<const Pair> examples,
                                const Direction& direction, Form form);

struct Result {
  std::vector<RunItem> items;  // The score is the sentence's chrF++.
  nlohmann::ordered_json summary;
};
// Corpus BLEU and chrF++ with bootstrap intervals over sentences. A reply that failed is an empty
// translation, and counted.
Result grade_all(std::span<const Pair> pairs, std::span<const ChatReply> replies);

}  // namespace poro::translation
