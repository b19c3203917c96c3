// Length-controlled win rates: what the win rate would be if the model's answers were as long as the
// baseline's. A logistic regression explains each preference by the difference of lengths, the instruction's
// difficulty and the model itself; the prediction leaves the lengths out. Dubois et al., Length-Controlled
// AlpacaEval, 2024.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "eval/tasks/alpaca.h"

namespace poro::alpaca {

// What says which row of a table of difficulties belongs to an annotation. The original goes by place, even
// where annotations are missing and all that follow get their neighbour's, so its fitted weights belong to
// that.
enum class Match { kText, kPlace };

// One number per annotation, in its order. Reads alpaca_eval's CSV: a column "instruction_difficulty", and
// perhaps "instruction". Where that has none of the texts (a translated edition in the original's order),
// rows are matched by place in any case. Throws Error.
std::vector<double> read_difficulty(const std::filesystem::path& path,
                                    const std::vector<Annotation>& annotations, Match match);
void write_difficulty(const std::filesystem::path& path, const std::vector<Annotation>& annotations,
                      const std::vector<double>& difficulty);

struct LengthControl {
  double length, difficulty, model;  // The regression's weights.
};

// The row of `model` in alpaca_eval's file of fitted weights. Throws Error.
LengthControl read_weights(const std::filesystem::path& path, const std::string& model);

// Fits the weights as the original does (L1, no intercept, strength by 5-fold cross-validation), but without
// its regularising annotations of two gamed baselines, which are not public as a file.
LengthControl fit_length_control(const std::vector<Annotation>& annotations,
                                 const std::vector<double>& difficulty);

struct LengthControlled {
  std::vector<double> predictions;  // One per annotation: the chance that the model is preferred.
  double win_rate, standard_error;  // In percent.
};
LengthControlled length_controlled(const LengthControl& weights, const std::vector<double>& difficulty);

// The difficulty of each instruction from several models' annotations of the same instructions in the same
// order: a regression over all of them with a length and a model term for each and a term for every
// instruction; the first instruction's is 0 by definition. Throws Error when the instructions differ.
std::vector<double> fit_difficulty(const std::vector<std::vector<Annotation>>& models);

}  // namespace poro::alpaca
