// Questions with given answers, of which the model is asked how likely it finds each: what ARC, HellaSwag,
// MMLU and TruthfulQA share. Prompts, examples and scores follow lm-evaluation-harness
// (https://github.com/EleutherAI/lm-evaluation-harness); a task is a row of the table, and its own file.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "eval/run_folder.h"

namespace poro::choice {

struct Question {
  std::string category;              // MMLU's subject; elsewhere empty.
  std::string text;                  // Ends right before the space in front of an answer.
  std::vector<std::string> answers;  // At least two.
  std::vector<bool> is_right;        // One per answer.
};

struct Task {
  enum class Metric { kAccuracy, kNormalisedAccuracy, kTrueMass };
  enum class Examples { kDrawn, kFirstOfCategory };

  std::string name;
  size_t num_examples;  // Before a question, unless told otherwise.
  Examples examples;
  Metric metric;
  // A row of the data set on the hub. Throws Error with `where`.
  Question (*load)(const nlohmann::json& row, const std::string& where);
  // What stands before the examples; `given` is the user's --preface.
  std::string (*preface)(const Question& question, const std::string& given);
};

Task arc();
Task hellaswag();
Task mmlu();
Task truthfulqa();

// JSONL. Throws Error.
std::vector<Question> load(const Task& task, const std::filesystem::path& path);

// The texts of all questions with their examples. Drawn examples are those that lm-evaluation-harness draws
// (seed 1234) from the same pool in the same order. Where the pool is the questions themselves (empty
// `pool`), a question is never its own example. Throws Error when the pool is too small.
struct Setup {
  std::span<const Question> pool;
  size_t num_examples;
  std::string preface;
};
std::vector<std::string> render(const Task& task, std::span<const Question> questions, const Setup& setup);

struct Grade {
  double accuracy;             // 1 when the likeliest answer is right.
  double normalised_accuracy;  // The same by log-likelihood per character.
  double true_mass;            // The right answers' share of the probability of all answers (mc2).
};
Grade grade(const Question& question, std::span<const double> log_likelihoods);

// All questions by a model that tells log-likelihoods; what is in the run's journal is not computed again.
using LogLikelihood =
    std::function<std::vector<double>(const std::string& text, std::span<const std::string> continuations)>;
struct Result {
  std::vector<RunItem> items;
  nlohmann::ordered_json summary;
};
Result run(RunFolder& folder, const Task& task, std::span<const Question> questions, const Setup& setup,
           const LogLikelihood& log_likelihood);

}  // namespace poro::choice
