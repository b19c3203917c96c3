// MMLU (Hendrycks et al., Measuring Massive Multitask Language Understanding, 2020): 57 subjects, four
// answers by letter. The number is the mean over all questions.
#include "base/error.h"
#include "eval/python_text.h"
#include "eval/tasks/choice.h"

namespace poro::choice {
namespace {

// {question, subject, choices, answer}; the answer is an index.
Question load_row(const nlohmann::json& row, const std::string& where) {
  constexpr const char* kLetters[] = {"A", "B", "C", "D"};
  const std::vector<std::string> choices = row.at("choices");
  if (choices.size() != std::size(kLetters)) fail("{}: MMLU has four choices, not {}", where, choices.size());
  Question question{.category = row.at("subject"),
                    .text = std::string(python::strip(row.at("question").get<std::string>())),
                    .answers = {},
                    .is_right = {}};
  for (size_t i = 0; i < choices.size(); ++i) {
    question.text += fmt::format("\n{}. {}", kLetters[i], choices[i]);
    question.answers.emplace_back(kLetters[i]);
    question.is_right.push_back(row.at("answer") == i);
  }
  question.text += "\nAnswer:";
  return question;
}

// The harness' sentence, unless one is given: "{subject}" in it is the subject in words.
std::string preface(const Question& question, const std::string& given) {
  const std::string text =
      given.empty() ? "The following are multiple choice questions (with answers) about {subject}.\n\n"
                    : given;
  return python::replace(text, "{subject}", python::replace(question.category, "_", " "));
}

}  // namespace

Task mmlu() {
  return {.name = "mmlu",
          .num_examples = 5,
          .examples = Task::Examples::kFirstOfCategory,
          .metric = Task::Metric::kAccuracy,
          .load = load_row,
          .preface = preface};
}

}  // namespace poro::choice
