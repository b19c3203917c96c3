// TruthfulQA, mc2 (Lin et al., Measuring How Models Mimic Human Falsehoods, 2021): the share of probability
// that a model gives to the true answers. The six questions and answers that the harness puts before every
// question are TruthfulQA's own text, so they come from a file (--preface), which ends in an empty line.
#include "base/error.h"
#include "eval/tasks/choice.h"

namespace poro::choice {
namespace {

// {question, mc2_targets: {choices, labels}}.
Question load_row(const nlohmann::json& row, const std::string&) {
  Question question{.category = {},
                    .text = "Q: " + row.at("question").get<std::string>() + "\nA:",
                    .answers = row.at("mc2_targets").at("choices"),
                    .is_right = {}};
  for (const nlohmann::json& label : row.at("mc2_targets").at("labels"))
    question.is_right.push_back(label == 1);
  return question;
}

std::string preface(const Question&, const std::string& given) {
  if (given.empty())
    fail("TruthfulQA's questions come after six examples; name a file with them by --preface");
  return given;
}

}  // namespace

Task truthfulqa() {
  return {.name = "truthfulqa",
          .num_examples = 0,
          .examples = Task::Examples::kDrawn,
          .metric = Task::Metric::kTrueMass,
          .load = load_row,
          .preface = preface};
}

}  // namespace poro::choice
