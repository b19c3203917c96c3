#include "eval/tasks/choice.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/digest.h"
#include "base/error.h"
#include "base/progress.h"
#include "eval/json_lines.h"
#include "eval/python_random.h"
#include "eval/python_text.h"

namespace poro::choice {
namespace {

constexpr uint32_t kSeed = 1234;  // lm-evaluation-harness' for examples.

std::string as_example(const Question& question) {
  const auto right =
      std::find(question.is_right.begin(), question.is_right.end(), true) - question.is_right.begin();
  return question.text + " " + question.answers[static_cast<size_t>(right)] + "\n\n";
}

// The examples that the harness draws for one question after the other.
std::vector<const Question*> drawn(python::Random& random, std::span<const Question> questions, size_t at,
                                   const Setup& setup) {
  const bool is_own_pool = setup.pool.empty();
  const std::span<const Question> pool = is_own_pool ? questions : setup.pool;
  const size_t count = setup.num_examples + (is_own_pool ? 1 : 0);
  if (pool.size() < count)
    fail("{} examples are asked for, and the pool has {} rows; name a larger one with --examples",
         setup.num_examples, pool.size());
  std::vector<const Question*> examples;
  for (const size_t i : random.sample({.population = pool.size(), .count = count}))
    if (!(is_own_pool && i == at) && examples.size() < setup.num_examples) examples.push_back(&pool[i]);
  return examples;
}

std::vector<const Question*> first_of(const std::string& category, const Setup& setup) {
  std::vector<const Question*> examples;
  for (const Question& question : setup.pool)
    if (question.category == category && examples.size() < setup.num_examples) examples.push_back(&question);
  if (examples.size() < setup.num_examples)
    fail("{} examples of \"{}\" are asked for, and there are {}; name the dev split with --examples",
         setup.num_examples, category, examples.size());
  return examples;
}

double value_of(const Grade& grade, Task::Metric metric) {
  return metric == Task::Metric::kAccuracy             ? grade.accuracy
         : metric == Task::Metric::kNormalisedAccuracy ? grade.normalised_accuracy
                                                       : grade.true_mass;
}

const char* metric_name(Task::Metric metric) {
  return metric == Task::Metric::kAccuracy             ? "accuracy, %"
         : metric == Task::Metric::kNormalisedAccuracy ? "accuracy by length (acc_norm), %"
                                                       : "mass on true answers (mc2), %";
}

}  // namespace

std::vector<Question> load(const Task& task, const std::filesystem::path& path) {
  std::vector<Question> questions;
  for (const JsonLines::Line& line : read_whole_json_lines(path).lines) {
    const std::string where = fmt::format("{}, line {}", path.string(), line.number);
    try {
      questions.push_back(task.load(line.json, where));
    } catch (const nlohmann::json::exception& error) {
      fail("{} is no row of {} as the hub has it; a field is missing or of another type", where, task.name);
    }
    const Question& question = questions.back();
    if (question.answers.size() < 2 || question.answers.size() != question.is_right.size() ||
        std::find(question.is_right.begin(), question.is_right.end(), true) == question.is_right.end())
      fail("{}: a question needs two answers or more, and a right one among them", where);
  }
  if (questions.empty()) fail("{} holds no questions", path.string());
  return questions;
}

std::vector<std::string> render(const Task& task, std::span<const Question> questions, const Setup& setup) {
  python::Random random(kSeed);
  std::vector<std::string> texts;
  for (size_t i = 0; i < questions.size(); ++i) {
    std::string text = task.preface(questions[i], setup.preface);
    if (setup.num_examples > 0)
      for (const Question* example : task.examples == Task::Examples::kDrawn
                                         ? drawn(random, questions, i, setup)
                                         : first_of(questions[i].category, setup))
        text += as_example(*example);
    texts.push_back(text + questions[i].text);
  }
  return texts;
}

Grade grade(const Question& question, std::span<const double> log_likelihoods) {
  CHECK(log_likelihoods.size() == question.answers.size(), "{} likelihoods", log_likelihoods.size());
  std::vector<double> per_character;
  for (size_t i = 0; i < log_likelihoods.size(); ++i)
    per_character.push_back(
        log_likelihoods[i] /
        std::max(1.0, static_cast<double>(python::characters(question.answers[i]).size())));
  const auto is_best_right = [&](std::span<const double> values) {
    return question
        .is_right[static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin())];
  };
  const double largest = *std::max_element(log_likelihoods.begin(), log_likelihoods.end());
  double all = 0, right = 0;
  for (size_t i = 0; i < log_likelihoods.size(); ++i) {
    const double mass = std::exp(log_likelihoods[i] - largest);
    all += mass;
    right += question.is_right[i] ? mass : 0;
  }
  return {.accuracy = is_best_right(log_likelihoods) ? 1.0 : 0.0,
          .normalised_accuracy = is_best_right(per_character) ? 1.0 : 0.0,
          .true_mass = right / all};
}

Result run(RunFolder& folder, const Task& task, std::span<const Question> questions, const Setup& setup,
           const LogLikelihood& log_likelihood) {
  Result result;
  std::vector<double> accuracies, normalised, masses, values;
  const std::vector<std::string> texts = render(task, questions, setup);
  Progress progress(task.name, questions.size(), ProgressUnit::kItems);
  for (size_t i = 0; i < questions.size(); ++i) {
    const Question& question = questions[i];
    const auto compute = [&] {
      std::vector<std::string> continuations;
      for (const std::string& answer : question.answers) continuations.push_back(" " + answer);
      return nlohmann::json(log_likelihood(texts[i], continuations));
    };
    const std::vector<double> likelihoods =
        folder.value(fmt::format("likelihood/{}/{}", i, sha256(texts[i])), compute);
    const Grade scores = grade(question, likelihoods);
    accuracies.push_back(scores.accuracy);
    normalised.push_back(scores.normalised_accuracy);
    masses.push_back(scores.true_mass);
    values.push_back(value_of(scores, task.metric));
    RunItem item{
        .id = std::to_string(i + 1), .category = question.category, .turns = {}, .score = values.back()};
    std::string shown;
    for (size_t a = 0; a < question.answers.size(); ++a)
      shown += fmt::format("{} {:.3f}  {}\n", question.is_right[a] ? "✓" : "·", likelihoods[a],
                           question.answers[a]);
    item.turns.push_back({.prompt = question.text, .answer = shown, .verdict = {}});
    result.items.push_back(std::move(item));
    progress.add(1);
  }
  const Interval interval = bootstrap_interval(values);
  result.summary = {{"task", task.name},
                    {"questions", questions.size()},
                    {"examples", setup.num_examples},
                    {"headline", headline(metric_name(task.metric), 100 * mean(values),
                                          Interval{.low = 100 * interval.low, .high = 100 * interval.high})},
                    {"acc", mean(accuracies)},
                    {"acc_norm", mean(normalised)},
                    {"mc2", mean(masses)},
                    {"standard_error", standard_error(values)}};
  return result;
}

}  // namespace poro::choice
