// MT-Bench from questions to judgments: the model's answers turn by turn, the language before the judge, and
// the judge's ratings or choices.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/run_folder.h"
#include "eval/tasks/mtbench_scores.h"

namespace poro::mtbench {

// The model's answers to both turns of every question. A question whose answer failed is left out and
// counted.
struct Asked {
  Answers answers;
  std::vector<std::string> failures;  // A sentence each.
};
Asked ask(RunFolder& run, ChatModel& model, const std::string& name, std::span<const Question> questions);

struct JudgeSetup {
  ChatModel& judge;
  std::string name;
  const JudgePrompts& prompts;
  const Answers* references;  // Null where no category needs one. Throws Error for a question without one.
  const LanguageGate* gate;   // Null: any language is right.
};

// Questions without an answer (of either model) are left out. A judge that fails gives "$ERROR$" and no
// rating.
Judgments<Rating> judge_single(RunFolder& run, const JudgeSetup& setup, std::span<const Question> questions,
                               const Answers& answers);
struct Contenders {
  const Answers& model;
  const Answers& baseline;
};
Judgments<Comparison> judge_pairs(RunFolder& run, const JudgeSetup& setup,
                                  std::span<const Question> questions, const Contenders& contenders);

// What a report shows: one item per question and turn. The answers may lack questions.
std::vector<RunItem> items(const Judgments<Rating>& ratings, std::span<const Question> questions,
                           const Answers& answers);
std::vector<RunItem> items(const Judgments<Comparison>& comparisons, std::span<const Question> questions,
                           const Contenders& contenders);

}  // namespace poro::mtbench
