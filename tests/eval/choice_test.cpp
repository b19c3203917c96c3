// ARC, HellaSwag, MMLU and TruthfulQA: the texts as lm-evaluation-harness makes them, and the scores.
#include "eval/tasks/choice.h"

#include <cmath>

#include "tests/eval/eval_data.h"

namespace poro::choice {
namespace {

Question loaded(const Task& task, const std::string& row) {
  return task.load(nlohmann::json::parse(row), "here");
}

TEST(Choice, ArcAsksInTheHarnessForm) {
  const Question question = loaded(arc(), R"({"question": "Mikä on vettä?", "answerKey": "2",
      "choices": {"text": ["kivi", "H2O"], "label": ["1", "2"]}})");
  EXPECT_EQ(question.text, "Question: Mikä on vettä?\nAnswer:");
  EXPECT_EQ(question.answers[1], "H2O");
  EXPECT_EQ(question.is_right, (std::vector<bool>{false, true}));
}

TEST(Choice, HellaSwagIsCleanedOfItsMarks) {
  const Question question =
      loaded(hellaswag(), R"({"activity_label": "Baking", "ctx_a": "A man [header] Mix [step]  it.",
      "ctx_b": "the MAN", "endings": [" [title] eats.", "sleeps [substeps] long."], "label": "1"})");
  EXPECT_EQ(question.text, "Baking: A man Mix  it. The man");
  EXPECT_EQ(question.answers, (std::vector<std::string>{" eats.", "sleeps long."}));
  EXPECT_EQ(question.is_right, (std::vector<bool>{false, true}));
}

TEST(Choice, MmluAsksForALetterAfterItsSubject) {
  const Task task = mmlu();
  const std::string row =
      R"({"question": " What? ", "subject": "high_school_physics", "choices": ["a", "b", "c", "d"], "answer": 2})";
  const std::vector<Question> questions = {loaded(task, row)};
  Question other = questions[0];
  other.category = "law";
  const std::vector<Question> pool = {other, questions[0]};
  const std::string text = render(task, questions, {.pool = pool, .num_examples = 1, .preface = ""})[0];
  EXPECT_EQ(text,
            "The following are multiple choice questions (with answers) about high school physics.\n\n"
            "What?\nA. a\nB. b\nC. c\nD. d\nAnswer: C\n\n"
            "What?\nA. a\nB. b\nC. c\nD. d\nAnswer:");
  EXPECT_THROW(render(task, questions, {.pool = pool, .num_examples = 2, .preface = ""}), Error);
}

TEST(Choice, TruthfulQaNeedsItsPreface) {
  const std::vector<Question> questions = {loaded(
      truthfulqa(), R"({"question": "Why?", "mc2_targets": {"choices": ["x", "y"], "labels": [1, 0]}})")};
  EXPECT_EQ(render(truthfulqa(), questions, {.pool = {}, .num_examples = 0, .preface = "Q: ?\nA: !\n\n"})[0],
            "Q: ?\nA: !\n\nQ: Why?\nA:");
  EXPECT_THROW(render(truthfulqa(), questions, {.pool = {}, .num_examples = 0, .preface = ""}), Error);
}

TEST(Choice, ExamplesAreThoseThatTheHarnessDraws) {
  std::vector<Question> questions;
  for (int i = 0; i < 10; ++i)
    questions.push_back(
        {.category = "", .text = "Q" + std::to_string(i), .answers = {"a", "b"}, .is_right = {false, true}});
  // random.Random(1234).sample(range(10), 2) and again.
  const auto texts =
      render(arc(), std::span(questions).first(2), {.pool = questions, .num_examples = 2, .preface = ""});
  EXPECT_EQ(texts[0], "Q7 b\n\nQ1 b\n\nQ0");
  EXPECT_EQ(texts[1], "Q0 b\n\nQ1 b\n\nQ1");
  for (const std::string& text : render(arc(), questions, {.pool = {}, .num_examples = 9, .preface = ""})) {
    const std::string own = text.substr(text.rfind('Q'));
    EXPECT_EQ(text.find(own + " b"), std::string::npos) << text;  // Never its own example.
  }
  EXPECT_THROW(render(arc(), questions, {.pool = {}, .num_examples = 10, .preface = ""}), Error);
}

TEST(Choice, GradesByLikelihoodByLengthAndByMass) {
  const Question question{
      .category = "", .text = "", .answers = {"short", "a much longer one"}, .is_right = {false, true}};
  const Grade by_sum = grade(question, std::vector<double>{std::log(0.3), std::log(0.1)});
  EXPECT_EQ(by_sum.accuracy, 0);
  EXPECT_EQ(by_sum.normalised_accuracy, 1);
  EXPECT_NEAR(by_sum.true_mass, 0.25, 1e-12);
  EXPECT_NEAR(grade(question, std::vector<double>{-2000.0, -2000.0}).true_mass, 0.5, 1e-12);
}

TEST(Choice, ARunIsScoredOnceAndResumed) {
  const TemporaryFolder folder;
  const std::vector<Question> questions(
      4, {.category = "", .text = "Q", .answers = {"a", "b"}, .is_right = {true, false}});
  int num_asked = 0;
  const auto likelihood = [&](const std::string& text, std::span<const std::string> answers) {
    EXPECT_EQ(text, "Q");
    EXPECT_EQ(answers[1], " b");
    ++num_asked;
    return std::vector<double>{-1, -2};
  };
  const choice::Setup setup{.pool = {}, .num_examples = 0, .preface = ""};
  for (int round = 0; round < 2; ++round) {
    RunFolder run(folder.path() / "run", {{"task", "arc"}});
    const Result result = choice::run(run, arc(), questions, setup, likelihood);
    EXPECT_EQ(result.summary["acc"], 1.0);
    EXPECT_EQ(result.items.size(), 4u);
  }
  EXPECT_EQ(num_asked, 4);
}

TEST(Choice, RowsOfAnotherFormAreErrors) {
  const TemporaryFolder folder;
  for (const char* row :
       {"", R"({"question": "x"})",
        R"({"question": "x", "answerKey": "Z", "choices": {"text": ["a", "b"], "label": ["A", "B"]}})"})
    EXPECT_THROW(load(arc(), folder.write("q.jsonl", row)), Error) << row;
}

}  // namespace
}  // namespace poro::choice
