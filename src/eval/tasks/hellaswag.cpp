// HellaSwag (Zellers et al., Can a Machine Really Finish Your Sentence?, 2019): which ending follows.
#include "eval/pattern.h"
#include "eval/python_text.h"
#include "eval/tasks/choice.h"

namespace poro::choice {
namespace {

// The texts from WikiHow carry marks in brackets.
std::string without_marks(const std::string& text) {
  static const Pattern kMark(R"(\[.*?\])");
  const std::string dotted = python::replace(python::strip(text), " [title]", ". ");
  return python::replace(kMark.replaced(dotted, ""), "  ", " ");
}

// {activity_label, ctx_a, ctx_b, endings, label}; the label is a number, or text that holds one.
Question load_row(const nlohmann::json& row, const std::string&) {
  const auto text = [&](const char* name) { return row.at(name).get<std::string>(); };
  Question question{.category = {},
                    .text = without_marks(text("activity_label") + ": " + text("ctx_a") + " " +
                                          python::capitalize(text("ctx_b"))),
                    .answers = {},
                    .is_right = {}};
  const nlohmann::json& label = row.at("label");
  const std::string right = label.is_string() ? label.get<std::string>() : label.dump();
  for (const nlohmann::json& ending : row.at("endings")) {
    question.is_right.push_back(std::to_string(question.answers.size()) == right);
    question.answers.push_back(without_marks(ending));
  }
  return question;
}

std::string given(const Question&, const std::string& text) {
  return text;
}

}  // namespace

Task hellaswag() {
  return {.name = "hellaswag",
          .num_examples = 10,
          .examples = Task::Examples::kDrawn,
          .metric = Task::Metric::kNormalisedAccuracy,
          .load = load_row,
          .preface = given};
}

}  // namespace poro::choice
