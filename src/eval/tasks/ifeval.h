// IFEval: prompts with instructions that a program can check. `load` reads the prompts and makes their
// checks, `render` is what a model is asked, `grade` decides. Strict is the answer as it is; loose also takes
// it without stars, without its first or last line, and both. Where the original draws lots the verdict is
// the likelier one, so that the same answers always get the same numbers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "eval/run_folder.h"
#include "eval/tasks/ifeval_instructions.h"

namespace poro::ifeval {

struct Prompt {
  nlohmann::json key;  // As in the file.
  std::string text;
  std::vector<std::string> instruction_ids;
  std::vector<Check> checks;  // One per instruction. They use the Models given to `load`.
};

// One row of Google's form. `where` names it in errors. Throws Error for anything that cannot be checked as
// it stands.
Prompt read_prompt(const nlohmann::json& row, const std::string& where, const Setting& setting);

// Reads Google's form (LumiOpen's is the same): JSONL of {key, prompt, instruction_id_list, kwargs}. Throws
// Error for anything that cannot be checked as it stands. `models` must outlive the prompts.
std::vector<Prompt> load(const std::filesystem::path& path, const Language& language, Models& models);

// What the model is asked: one user message.
const std::string& render(const Prompt& prompt);

struct Verdict {
  std::vector<bool> strict, loose;  // Per instruction.
};
// An empty answer follows nothing.
Verdict grade(const Prompt& prompt, const std::string& answer);

// "punctuation:no_comma: strict yes, loose yes", a line per instruction.
std::string verdict_text(const Prompt& prompt, const Verdict& verdict);

// Answers by their prompt, and what was wrong with their file.
struct Answers {
  std::unordered_map<std::string, std::string> by_prompt;  // The last one, when a prompt was answered twice.
  std::vector<std::string> prompts;                        // In the file's order.
  size_t num_repeated = 0, num_blank_lines = 0;
  std::vector<std::string> broken;  // A sentence per line that holds no {prompt, response}.
};
Answers read_answers(const std::filesystem::path& path);

struct Result {
  const Prompt* prompt;
  std::string answer;  // Empty when there is none.
  Verdict verdict;
};
struct Graded {
  std::vector<Result> results;  // In the order of the prompts.
  nlohmann::ordered_json summary;
};
// Grades all prompts; a prompt without an answer follows nothing and is counted. Where both files have the
// same length, an answer to an unknown prompt that stands in the place of an unanswered one is taken for its
// answer, and counted: the editions of the prompts differ in a few words. Throws Error when no answer belongs
// to any prompt.
Graded grade_all(const std::vector<Prompt>& prompts, const Answers& answers, const Language& language);

// What a report shows; the score is 1 where the answer follows all instructions, loosely.
std::vector<RunItem> items(const std::vector<Result>& results);

// Google's result files, strict.jsonl and loose.jsonl, in `folder`.
void write_results(const std::vector<Result>& results, const std::filesystem::path& folder);

}  // namespace poro::ifeval
