#include "eval/tasks/alpaca_length.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "eval/csv.h"
#include "eval/logistic.h"
#include "eval/python_text.h"
#include "eval/statistics.h"

namespace poro::alpaca {
namespace {

// tanh of the difference of lengths in its standard deviations, per annotation: positive where the baseline
// is longer.
std::vector<double> length_terms(const std::vector<Annotation>& annotations) {
  std::vector<double> differences;
  differences.reserve(annotations.size());
  for (const Annotation& row : annotations)
    differences.push_back(static_cast<double>(python::characters(row.output_1).size()) -
                          static_cast<double>(python::characters(row.output_2).size()));
  const double deviation = standard_error(differences) * std::sqrt(static_cast<double>(differences.size()));
  for (double& value : differences) value = deviation > 0 ? std::tanh(value / deviation) : 0;
  return differences;
}

std::string quoted(const std::string& cell) {
  return "\"" + python::replace(cell, "\"", "\"\"") + "\"";
}

}  // namespace

std::vector<double> read_difficulty(const std::filesystem::path& path,
                                    const std::vector<Annotation>& annotations, Match match) {
  const Csv csv = read_csv(path);
  const size_t column = csv.column("instruction_difficulty");
  std::unordered_map<std::string_view, size_t> rows;
  if (std::find(csv.header.begin(), csv.header.end(), "instruction") != csv.header.end())
    for (size_t i = 0; i < csv.rows.size(); ++i) rows[csv.rows[i][csv.column("instruction")]] = i;
  const bool is_by_text = match == Match::kText &&
                          std::any_of(annotations.begin(), annotations.end(),
                                      [&](const Annotation& row) { return rows.contains(row.instruction); });
  std::vector<double> difficulty;
  for (size_t i = 0; i < annotations.size(); ++i) {
    const auto found = rows.find(annotations[i].instruction);
    const size_t row = !is_by_text           ? annotations[i].place
                       : found == rows.end() ? csv.rows.size()
                                             : found->second;
    if (row >= csv.rows.size())
      fail(
          "{} has no difficulty for the instruction of annotation {}; compute one with `poro eval "
          "difficulty`",
          csv.name, i + 1);
    difficulty.push_back(csv.number(row, column));
  }
  return difficulty;
}

void write_difficulty(const std::filesystem::path& path, const std::vector<Annotation>& annotations,
                      const std::vector<double>& difficulty) {
  std::string text = "index,instruction_difficulty,instruction\n";
  for (size_t i = 0; i < annotations.size(); ++i)
    text += fmt::format("{},{:.10f},{}\n", i, difficulty[i], quoted(annotations[i].instruction));
  write_file_atomic(path, text);
}

LengthControl read_weights(const std::filesystem::path& path, const std::string& model) {
  const Csv csv = read_csv(path);
  const size_t length = csv.column("np.tanh(std_delta_len)"),
               difficulty = csv.column("instruction_difficulty"),
               bias = csv.column("not_gamed_baseline.astype(float)");
  for (size_t i = 0; i < csv.rows.size(); ++i)
    if (csv.rows[i][0] == model)
      return {.length = csv.number(i, length),
              .difficulty = csv.number(i, difficulty),
              .model = csv.number(i, bias)};
  fail("{} has no weights of the model \"{}\"; leave them out to fit them", csv.name, model);
}

LengthControl fit_length_control(const std::vector<Annotation>& annotations,
                                 const std::vector<double>& difficulty) {
  constexpr size_t kFolds = 5;
  const std::vector<double> lengths = length_terms(annotations);
  std::vector<size_t> rows;
  for (size_t i = 0; i < annotations.size(); ++i)
    if (annotations[i].preference) rows.push_back(i);
  if (rows.size() < kFolds)
    fail("{} preferences are too few to fit a length-controlled win rate", rows.size());
  const auto n = static_cast<Eigen::Index>(rows.size());
  LogisticData data{.features = Eigen::MatrixXd(n, 3),
                    .labels = Eigen::VectorXd(n),
                    .weights = Eigen::VectorXd::Ones(n),
                    .offsets = Eigen::VectorXd::Zero(n)};
  for (Eigen::Index i = 0; i < n; ++i) {
    const size_t row = rows[static_cast<size_t>(i)];
    data.features.row(i) << lengths[row], difficulty[row], 1.0;
    data.labels[i] = *annotations[row].preference - 1;
  }
  const Eigen::VectorXd weights = fit_logistic_cv(data, kFolds).weights;
  return {.length = weights[0], .difficulty = weights[1], .model = weights[2]};
}

LengthControlled length_controlled(const LengthControl& weights, const std::vector<double>& difficulty) {
  LengthControlled result{};
  for (const double value : difficulty)
    result.predictions.push_back(logistic(weights.model + weights.difficulty * value));
  result.win_rate = 100 * mean(result.predictions);
  result.standard_error = 100 * standard_error(result.predictions);
  return result;
}

std::vector<double> fit_difficulty(const std::vector<std::vector<Annotation>>& models) {
  constexpr double kStrength = 1;  // The solver's default in the original.
  constexpr int kMaxRounds = 500;
  CHECK(!models.empty(), "no models");
  const auto n = static_cast<Eigen::Index>(models[0].size()), m = static_cast<Eigen::Index>(models.size());
  Eigen::MatrixXd lengths(n, m), labels(n, m), weights(n, m);
  for (Eigen::Index j = 0; j < m; ++j) {
    const std::vector<Annotation>& rows = models[static_cast<size_t>(j)];
    const std::vector<double> terms = length_terms(rows);
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto at = static_cast<size_t>(i);
      if (rows.size() != models[0].size() || rows[at].instruction != models[0][at].instruction)
        fail("the annotations do not hold the same instructions in the same order; row {} differs", i + 1);
      lengths(i, j) = terms[at];
      labels(i, j) = rows[at].preference.value_or(kDraw) - 1;
      weights(i, j) = rows[at].preference ? 1 : 0;
    }
  }
  // In turn each model's two terms with the difficulties held, and each difficulty with the models held.
  Eigen::VectorXd difficulty = Eigen::VectorXd::Zero(n);
  Eigen::MatrixXd terms = Eigen::MatrixXd::Zero(2, m);
  for (int round = 0; round < kMaxRounds; ++round) {
    for (Eigen::Index j = 0; j < m; ++j) {
      Eigen::MatrixXd features(n, 2);
      features << lengths.col(j), Eigen::VectorXd::Ones(n);
      terms.col(j) = fit_logistic({features, labels.col(j), weights.col(j), difficulty}, kStrength);
    }
    double moved = 0;
    for (Eigen::Index i = 1; i < n; ++i) {
      const Eigen::VectorXd offsets =
          (lengths.row(i).array() * terms.row(0).array() + terms.row(1).array()).transpose();
      const Eigen::VectorXd fitted = fit_logistic(
          {Eigen::MatrixXd::Ones(m, 1), labels.row(i).transpose(), weights.row(i).transpose(), offsets},
          kStrength);
      moved = std::max(moved, std::abs(fitted[0] - difficulty[i]));
      difficulty[i] = fitted[0];
    }
    if (moved < 1e-8) break;
  }
  return {difficulty.begin(), difficulty.end()};
}

}  // namespace poro::alpaca
