// Multi-IF: three turns, each with the instructions of the turns before it and one more, checked as IFEval's
// (He et al., Multi-IF: Benchmarking LLMs on Multi-Turn and Multilingual Instructions Following, 2024). The
// number is the mean over the turns of the mean of the four accuracies.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "eval/run_folder.h"
#include "eval/tasks/ifeval.h"

namespace poro::multi_if {

constexpr size_t kTurns = 3;

struct Dialogue {
  std::string key;
  std::vector<ifeval::Prompt> turns;  // Up to three; a row may end after fewer.
};
// The published CSV; rows of other languages are left out and counted. `models` must outlive the dialogues.
// Throws Error.
struct Loaded {
  std::vector<Dialogue> dialogues;
  size_t num_other_languages = 0;
};
Loaded load(const std::filesystem::path& path, const ifeval::Language& language, ifeval::Models& models);

// The request for a turn (from 0), after the answers to the turns before it.
ChatRequest render(const Dialogue& dialogue, size_t turn, const std::vector<std::string>& answers);

// The answers to all turns; a dialogue whose answer failed ends there.
struct Asked {
  std::vector<std::vector<std::string>> answers;  // Per dialogue.
  std::vector<std::string> failures;              // A sentence each.
};
Asked ask(RunFolder& run, ChatModel& model, const std::vector<Dialogue>& dialogues);

struct Result {
  std::vector<RunItem>
      items;  // One per dialogue: the share of its turns in which everything is followed, loosely.
  nlohmann::ordered_json summary;
};
// A turn without an answer follows nothing.
Result grade_all(const std::vector<Dialogue>& dialogues, const Asked& asked);

}  // namespace poro::multi_if
