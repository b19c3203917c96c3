#include "eval/tasks/mtbench_scores.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "eval/json_lines.h"
#include "eval/run_folder.h"
#include "eval/statistics.h"

namespace poro::mtbench {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kLanguageError = "Language error";

Rating rating_from(const nlohmann::json& row) {
  return {.question = row.at("question_id"),
          .turn = row.at("turn"),
          .model = row.at("model"),
          .judge = row.at("judge").at(0),
          .prompt_name = row.at("judge").at(1),
          .user_prompt = row.value("user_prompt", ""),
          .judgment = row.at("judgment"),
          .score = row.at("score")};
}

Comparison comparison_from(const nlohmann::json& row) {
  const auto game = [&](const std::string& name) {
    return Comparison::Game{.winner = row.at(name + "_winner"),
                            .user_prompt = row.value(name + "_user_prompt", ""),
                            .judgment = row.at(name + "_judgment")};
  };
  return {.question = row.at("question_id"),
          .turn = row.at("turn"),
          .model_1 = row.at("model_1"),
          .model_2 = row.at("model_2"),
          .judge = row.at("judge").at(0),
          .prompt_name = row.at("judge").at(1),
          .first = game("g1"),
          .second = game("g2")};
}

std::string models_of(const Rating& row) {
  return row.model;
}
std::string models_of(const Comparison& row) {
  return row.model_1 + " against " + row.model_2;
}

// The rows of the models called `wanted`, each turn once.
template <class Judgment>
Judgments<Judgment> read_judgments(const std::filesystem::path& path, const std::string& wanted,
                                   const std::function<Judgment(const nlohmann::json&)>& parse) {
  JsonLines lines = read_json_lines(path);
  Judgments<Judgment> judgments{
      .rows = {}, .num_repeated = 0, .num_blank_lines = lines.num_blank, .broken = std::move(lines.broken)};
  std::set<std::string> names;
  std::set<std::string> seen;
  for (const JsonLines::Line& line : lines.lines) {
    try {
      Judgment row = parse(line.json);
      names.insert(models_of(row));
      if (!wanted.empty() && models_of(row) != wanted) continue;
      if (seen.insert(line.json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)).second)
        judgments.rows.push_back(std::move(row));
      else
        ++judgments.num_repeated;
    } catch (const nlohmann::json::exception&) {
      judgments.broken.push_back(
          fmt::format("{}, line {}, is no judgment of this kind (fields are missing or of another type)",
                      path.string(), line.number));
    }
  }
  const std::string all = fmt::format("{}", fmt::join(names, "; "));
  if (names.empty())
    fail("{} holds no judgment of this kind; is it FastChat's file for this mode?", path.string());
  if (wanted.empty() && names.size() > 1)
    fail("{} judges several models, so name one: {}", path.string(), all);
  if (judgments.rows.empty()) fail("{} judges no {}; it has {}", path.string(), wanted, all);
  return judgments;
}

// Values in groups by question, in the order of first appearance: what a bootstrap over questions draws from.
class ByQuestion {
 public:
  void add(int64_t question, double value) {
    const auto [place, is_new] = places_.try_emplace(question, groups_.size());
    if (is_new) groups_.emplace_back();
    groups_[place->second].push_back(value);
    values_.push_back(value);
  }
  const std::vector<double>& values() const { return values_; }

  Interval interval() const {
    return bootstrap_interval(groups_.size(), [&](std::span<const uint32_t> drawn) {
      double sum = 0, count = 0;
      for (const uint32_t group : drawn)
        for (const double value : groups_[group]) sum += value, ++count;
      return sum / count;
    });
  }

 private:
  std::map<int64_t, size_t> places_;
  std::vector<std::vector<double>> groups_;
  std::vector<double> values_;
};

Json mean_or_null(const std::vector<double>& values) {
  return values.empty() ? Json() : Json(mean(values));
}

template <class Judgment>
std::string category_of(const Judgment& row, std::span<const Question> questions) {
  for (const Question& question : questions)
    if (question.id == row.question) return question.category;
  return "";
}

// How the judgments fit the questions: {missing, repeated, judged_again, unknown_question, blank_lines,
// broken_lines}.
template <class Judgment>
Json input_counts(const Judgments<Judgment>& judgments, std::span<const Question> questions) {
  std::set<std::pair<int64_t, int>> missing, judged;
  for (const Question& question : questions)
    for (size_t turn = 1; turn <= question.turns.size(); ++turn)
      missing.insert({question.id, static_cast<int>(turn)});
  for (const Judgment& row : judgments.rows) {
    judged.insert({row.question, row.turn});
    missing.erase({row.question, row.turn});
  }
  return {{"missing", missing.size()},
          {"repeated", judgments.num_repeated},
          {"judged_again", judgments.rows.size() - judged.size()},
          {"unknown_question", judgments.num_unknown},
          {"blank_lines", judgments.num_blank_lines},
          {"broken_lines", judgments.broken.size()}};
}

bool is_language_error(const Comparison& row) {
  return row.first.judgment.starts_with(kLanguageError) || row.second.judgment.starts_with(kLanguageError);
}

// How a judge behaves when the places are swapped: how often it stays with its verdict, and how much more
// often the first place wins than the second.
Json judge_behaviour(std::span<const Comparison> rows) {
  size_t num_judged = 0, num_agreed = 0;
  double first_place = 0, decided = 0;
  for (const Comparison& row : rows) {
    if (is_language_error(row) || row.first.winner == "error" || row.second.winner == "error") continue;
    ++num_judged;
    num_agreed += row.first.winner == row.second.winner;
    for (const bool is_first_game : {true, false}) {
      const std::string& won = is_first_game ? row.first.winner : row.second.winner;
      if (won == "tie") continue;
      ++decided;
      first_place += (won == "model_1") == is_first_game;
    }
  }
  return {
      {"judged_in_both_orders", num_judged},
      {"agreement",
       num_judged == 0 ? Json() : Json(static_cast<double>(num_agreed) / static_cast<double>(num_judged))},
      {"first_place_share", decided == 0 ? Json() : Json(first_place / decided)}};
}

}  // namespace

Judgments<Rating> read_ratings(const std::filesystem::path& path, const std::string& model) {
  return read_judgments<Rating>(path, model, rating_from);
}

Judgments<Comparison> read_comparisons(const std::filesystem::path& path, const ModelPair& models) {
  const std::string wanted = models.model_1.empty() ? "" : models.model_1 + " against " + models.model_2;
  return read_judgments<Comparison>(path, wanted, comparison_from);
}

template <class Judgment>
void keep_known(Judgments<Judgment>& judgments, std::span<const Question> questions) {
  judgments.num_unknown += std::erase_if(judgments.rows, [&](const Judgment& row) {
    return std::ranges::none_of(questions,
                                [&](const Question& question) { return question.id == row.question; });
  });
}
template void keep_known(Judgments<Rating>& judgments, std::span<const Question> questions);
template void keep_known(Judgments<Comparison>& judgments, std::span<const Question> questions);

void write_ratings(const std::filesystem::path& path, const std::vector<Rating>& ratings) {
  std::string lines;
  for (const Rating& row : ratings)
    lines += Json{{"question_id", row.question},
                  {"model", row.model},
                  {"judge", {row.judge, row.prompt_name}},
                  {"user_prompt", row.user_prompt},
                  {"judgment", row.judgment},
                  {"score", row.score},
                  {"turn", row.turn}}
                 .dump(-1, ' ', false, Json::error_handler_t::replace) +
             "\n";
  write_file_atomic(path, lines);
}

void write_comparisons(const std::filesystem::path& path, const std::vector<Comparison>& comparisons) {
  std::string lines;
  for (const Comparison& row : comparisons)
    lines += Json{{"question_id", row.question},
                  {"model_1", row.model_1},
                  {"model_2", row.model_2},
                  {"g1_winner", row.first.winner},
                  {"g2_winner", row.second.winner},
                  {"judge", {row.judge, row.prompt_name}},
                  {"g1_user_prompt", row.first.user_prompt},
                  {"g1_judgment", row.first.judgment},
                  {"g2_user_prompt", row.second.user_prompt},
                  {"g2_judgment", row.second.judgment},
                  {"turn", row.turn}}
                 .dump(-1, ' ', false, Json::error_handler_t::replace) +
             "\n";
  write_file_atomic(path, lines);
}

std::string result(const Comparison& comparison) {
  const std::string& winner = comparison.first.winner;
  if (winner != comparison.second.winner || (winner != "model_1" && winner != "model_2")) return "tie";
  return winner == "model_1" ? "win" : "loss";
}

double points(const Comparison& comparison) {
  const std::string verdict = result(comparison);
  return verdict == "win" ? 1 : verdict == "tie" ? 0.5 : 0;
}

Json grade(const Judgments<Rating>& ratings, std::span<const Question> questions) {
  ByQuestion all;
  std::vector<double> by_turn[2];
  std::map<std::string, std::vector<double>> by_category;
  size_t num_unrated = 0, num_failed = 0, num_language_errors = 0;
  for (const Rating& row : ratings.rows) {
    num_language_errors += row.judgment.starts_with(kLanguageError);
    num_failed += row.judgment == kJudgeError;
    if (row.score == kNoRating) {
      num_unrated += row.judgment != kJudgeError;
      continue;
    }
    all.add(row.question, row.score);
    by_turn[row.turn > 1].push_back(row.score);
    if (!questions.empty()) by_category[category_of(row, questions)].push_back(row.score);
  }
  if (all.values().empty()) fail("not one of the {} judgments holds a rating", ratings.rows.size());
  const Interval interval = all.interval();
  Json summary = {{"task", "mtbench"},
                  {"model", ratings.rows[0].model},
                  {"judge", ratings.rows[0].judge},
                  {"ratings", all.values().size()},
                  {"score", mean(all.values())},
                  {"score_interval", {interval.low, interval.high}},
                  {"first_turn", mean_or_null(by_turn[0])},
                  {"second_turn", mean_or_null(by_turn[1])}};
  for (const auto& [category, values] : by_category)
    if (!category.empty()) summary["categories"][category] = mean(values);
  summary["headline"] = headline("score, 1 to 10", mean(all.values()), interval);
  summary["judgments"] = input_counts(ratings, questions);
  summary["judgments"]["without_rating"] = num_unrated;
  summary["judgments"]["judge_failed"] = num_failed;
  summary["judgments"]["wrong_language"] = num_language_errors;
  return summary;
}

Json grade(const Judgments<Comparison>& comparisons, std::span<const Question> questions) {
  ByQuestion all;
  std::map<std::string, std::vector<double>> by_category;
  std::map<std::string, size_t> counts;
  size_t num_errors = 0, num_failed = 0, num_language_errors = 0, num_decided = 0;
  for (const Comparison& row : comparisons.rows) {
    if (row.first.judgment == kJudgeError && row.second.judgment == kJudgeError) {
      ++num_failed;
      continue;
    }
    num_errors += row.first.winner == "error" || row.second.winner == "error";
    num_language_errors += is_language_error(row);
    num_decided += is_language_error(row) || row.first.winner != "error" || row.second.winner != "error";
    ++counts[result(row)];
    all.add(row.question, points(row));
    if (!questions.empty()) by_category[category_of(row, questions)].push_back(points(row));
  }
  if (all.values().empty())
    fail("the judge failed on every one of the {} comparisons", comparisons.rows.size());
  if (num_decided == 0)
    fail("not one of the {} comparisons holds a verdict such as [[A]]", comparisons.rows.size());
  const Comparison& any = comparisons.rows[0];
  const Interval interval = all.interval();
  Json summary = {{"task", "pairwise"},
                  {"model", any.model_1},
                  {"baseline", any.model_2},
                  {"judge", any.judge},
                  {"comparisons", all.values().size()},
                  {"wins", counts["win"]},
                  {"losses", counts["loss"]},
                  {"ties", counts["tie"]},
                  {"adjusted_win_rate", mean(all.values())},
                  {"adjusted_win_rate_interval", {interval.low, interval.high}}};
  for (const auto& [category, values] : by_category)
    if (!category.empty()) summary["categories"][category] = mean(values);
  summary["headline"] = headline("adjusted win rate, %", 100 * mean(all.values()),
                                 Interval{.low = 100 * interval.low, .high = 100 * interval.high});
  summary["judge_behaviour"] = judge_behaviour(comparisons.rows);
  summary["judgments"] = input_counts(comparisons, questions);
  summary["judgments"]["with_an_error"] = num_errors;
  summary["judgments"]["judge_failed"] = num_failed;
  summary["judgments"]["wrong_language"] = num_language_errors;
  return summary;
}

}  // namespace poro::mtbench
