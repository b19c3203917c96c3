// ARC (Clark et al., Think you have Solved Question Answering?, 2018): questions from school science tests.
// The Finnish edition keeps the English words around the Finnish text.
#include "eval/tasks/choice.h"

namespace poro::choice {
namespace {

// {question, choices: {text, label}, answerKey}.
Question load_row(const nlohmann::json& row, const std::string&) {
  Question question{.category = {},
                    .text = "Question: " + row.at("question").get<std::string>() + "\nAnswer:",
                    .answers = row.at("choices").at("text"),
                    .is_right = {}};
  for (const nlohmann::json& label : row.at("choices").at("label"))
    question.is_right.push_back(label == row.at("answerKey"));
  return question;
}

std::string given(const Question&, const std::string& text) {
  return text;
}

}  // namespace

Task arc() {
  return {.name = "arc",
          .num_examples = 25,
          .examples = Task::Examples::kDrawn,
          .metric = Task::Metric::kNormalisedAccuracy,
          .load = load_row,
          .preface = given};
}

}  // namespace poro::choice
