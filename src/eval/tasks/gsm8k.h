// GSM8K: word problems of grade-school mathematics with a number as the answer (Cobbe et al., Training
// Verifiers to Solve Math Word Problems, 2021). Prompts and extraction follow lm-evaluation-harness' task
// gsm8k, version 3.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "eval/run_folder.h"

namespace poro::gsm8k {

struct Question {
  std::string question, answer;  // The answer ends in "#### 42".
};
// JSONL of {question, answer}. Throws Error.
std::vector<Question> load(const std::filesystem::path& path);

// Text to continue: examples drawn from `pool` as the harness draws them (seed 1234), then the question.
std::vector<ChatRequest> render(std::span<const Question> questions, std::span<const Question> pool,
                                size_t num_examples);

struct Grade {
  bool is_strict;    // "#### 42" as the examples write it.
  bool is_flexible;  // The last number of the answer.
};
Grade grade(const Question& question, const std::string& answer);

struct Result {
  std::vector<RunItem> items;
  nlohmann::ordered_json summary;
};
// A reply that failed is wrong, and counted.
Result grade_all(std::span<const Question> questions, std::span<const ChatReply> replies);

}  // namespace poro::gsm8k
