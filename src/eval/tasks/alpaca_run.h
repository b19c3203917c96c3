// AlpacaEval 2 from instructions to annotations: the model's answers, the language before the judge, and the
// judge's preference in alpaca_eval's order and in the other.
#pragma once

#include <string>
#include <vector>

#include "eval/language_gate.h"
#include "eval/run_folder.h"
#include "eval/tasks/alpaca.h"

namespace poro::alpaca {

struct Asked {
  Outputs outputs;
  std::vector<std::string> failures;  // A sentence each; these instructions have no output.
};
// The model's outputs for the baseline's instructions, with the sampling that Poro 2's makers use.
Asked ask(RunFolder& run, ChatModel& model, const std::string& name, const Outputs& baseline);

struct JudgeSetup {
  ChatModel& judge;
  std::string name;
  std::string prompt_template;
  const LanguageGate* gate;  // Null: any language is right. Else the baseline wins over a wrong one.
  enum class Orders { kSeeded, kBoth } orders;
};

struct Judged {
  std::vector<Annotation> rows;            // In alpaca_eval's order.
  std::vector<Annotation> swapped_rows;    // In the other; empty when it was not asked for.
  std::vector<std::string> failures = {};  // Of the judge, over both orders; a sentence each.
  size_t num_wrong_language = 0;
  size_t num_without_odds = 0;  // The judge answered, but gave no log-probability of either identifier.
};
Judged judge(RunFolder& run, const JudgeSetup& setup, std::vector<Annotation> pairs);

// How the judge behaves when the places are swapped: {win_rate over both orders, agreement,
// first_place_share}.
nlohmann::ordered_json judge_behaviour(const Judged& judged);

std::vector<RunItem> items(const std::vector<Annotation>& annotations);

}  // namespace poro::alpaca
