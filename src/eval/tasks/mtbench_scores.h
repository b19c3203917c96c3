// MT-Bench's judgments as FastChat writes them, and the numbers that follow from them.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "eval/tasks/mtbench.h"

namespace poro::mtbench {

// What FastChat writes where the judge gave no answer at all.
constexpr std::string_view kJudgeError = "$ERROR$";

// A rating of one turn (1 or 2) of one model's answer.
struct Rating {
  int64_t question;
  int turn;
  std::string model, judge, prompt_name;
  std::string user_prompt, judgment;
  double score;  // kNoRating: none was found.
};

// A comparison of one turn, judged twice with the models' places swapped. Winners are "model_1", "model_2",
// "tie" or "error".
struct Comparison {
  struct Game {
    std::string winner, user_prompt, judgment;
  };
  int64_t question;
  int turn;
  std::string model_1, model_2, judge, prompt_name;
  Game first, second;  // In the first, model_1 is A.
};

template <class Judgment>
struct Judgments {
  std::vector<Judgment> rows;
  size_t num_repeated = 0, num_unknown = 0, num_blank_lines = 0;
  std::vector<std::string> broken = {};    // Lines that are no judgments, a sentence each.
  std::vector<std::string> failures = {};  // Of the judge, a sentence each.
};

// The judgments of `model`, or of the only model in the file when the name is empty. A line that comes twice
// counts once. A turn that was judged again, in other words or at another time, counts again, as FastChat has
// it. Throws Error when there are none, or when several models need a name.
Judgments<Rating> read_ratings(const std::filesystem::path& path, const std::string& model);
struct ModelPair {
  std::string model_1, model_2;
};
Judgments<Comparison> read_comparisons(const std::filesystem::path& path, const ModelPair& models);

// Leaves out, and counts, what judges none of the questions.
template <class Judgment>
void keep_known(Judgments<Judgment>& judgments, std::span<const Question> questions);

void write_ratings(const std::filesystem::path& path, const std::vector<Rating>& ratings);
void write_comparisons(const std::filesystem::path& path, const std::vector<Comparison>& comparisons);

// "win", "loss" or "tie" of model_1: a win only when both games agree.
std::string result(const Comparison& comparison);
// A win is 1, a tie 0.5.
double points(const Comparison& comparison);

// The summaries. `questions` give the categories and how many judgments there should be; those missing are
// counted. Intervals resample whole questions, since a question's two turns go together. Throws Error when
// nothing can be scored.
nlohmann::ordered_json grade(const Judgments<Rating>& ratings, std::span<const Question> questions);
nlohmann::ordered_json grade(const Judgments<Comparison>& comparisons, std::span<const Question> questions);

}  // namespace poro::mtbench
