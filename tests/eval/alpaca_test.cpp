#include "eval/tasks/alpaca.h"

#include <cmath>
#include <limits>

#include "eval/csv.h"
#include "eval/python_random.h"
#include "eval/tasks/alpaca_length.h"
#include "tests/eval/eval_data.h"

namespace poro::alpaca {
namespace {

Annotation annotated(const std::string& instruction, std::optional<double> preference) {
  return {.place = 0,
          .dataset = "",
          .instruction = instruction,
          .output_1 = "the baseline's answer",
          .generator_1 = "baseline",
          .output_2 = "åäö",
          .generator_2 = "model",
          .annotator = "judge",
          .preference = preference,
          .completion = {}};
}

TEST(Alpaca, WinRatesCountOddsAndDiscreteOnesVerdicts) {
  const Scores scores =
      grade({annotated("a", 1.9), annotated("b", 1.2), annotated("c", 1.5), annotated("d", {})});
  EXPECT_NEAR(scores.win_rate, 100 * (0.9 + 0.2 + 0.5) / 3, 1e-9);
  EXPECT_DOUBLE_EQ(scores.discrete_win_rate, 50);
  EXPECT_EQ(scores.num_wins, 1u);
  EXPECT_EQ(scores.num_losses, 1u);
  EXPECT_EQ(scores.num_draws, 1u);
  EXPECT_EQ(scores.num_total, 3u);
  EXPECT_EQ(scores.num_without_preference, 1u);
  EXPECT_EQ(scores.average_length, 3);  // Characters, not bytes.
  EXPECT_THROW(grade({annotated("a", {})}), Error);
}

TEST(Alpaca, ThePreferenceIsTheShareOfTheTwoIdentifiers) {
  const double p = 0.8, q = 0.1;
  const std::vector<ChatReply::TokenChance> chances = {{"m", std::log(p)}, {"x", -0.1}, {"M", std::log(q)}};
  const Annotation pair = annotated("How do you do?", {});
  for (const Order order : {Order::kSeeded, Order::kSwapped}) {
    const double first_wins = is_model_first(pair.instruction, order) ? 2 - q / (p + q) : 2 - p / (p + q);
    EXPECT_NEAR(*preference(chances, pair, order), first_wins, 1e-12);
  }
  EXPECT_NE(is_model_first(pair.instruction, Order::kSeeded),
            is_model_first(pair.instruction, Order::kSwapped));
  EXPECT_FALSE(preference({{"I", -0.1}}, pair, Order::kSeeded).has_value());
  EXPECT_FALSE(preference({}, pair, Order::kSeeded).has_value());
  Annotation same = pair;
  same.output_2 = same.output_1;
  EXPECT_EQ(preference(chances, same, Order::kSeeded), kDraw);
  EXPECT_EQ(std::abs(*preference({{"M", -0.5}}, pair, Order::kSeeded) - 1.5), 0.5);
}

TEST(Alpaca, ThePromptIsFilledOnceAndInOrder) {
  Annotation pair = annotated("Say {output_1}", {});
  const std::string prompt_template =
      "<|im_start|>system\nJudge.\n<|im_end|>\n<|im_start|>user\n{ {instruction} | {output_1} | {output_2} "
      "}\n<|im_end|>\n";
  const std::vector<Message> seeded = render(prompt_template, pair, Order::kSeeded);
  ASSERT_EQ(seeded.size(), 2u);
  EXPECT_EQ(seeded[0].role, "system");
  EXPECT_EQ(seeded[0].content, "Judge.");
  const bool is_switched = is_model_first(pair.instruction, Order::kSeeded);
  const std::string one = "{ Say {output_1} | the baseline's answer | åäö }",
                    other = "{ Say {output_1} | åäö | the baseline's answer }";
  EXPECT_EQ(seeded[1].content, is_switched ? other : one);
  EXPECT_EQ(render(prompt_template, pair, Order::kSwapped)[1].content, is_switched ? one : other);
  EXPECT_THROW(render("no markers", pair, Order::kSeeded), Error);
}

TEST(Alpaca, FilesAreReadPairedAndWrittenBack) {
  const TemporaryFolder folder;
  const Outputs baseline = read_outputs(folder.write(
      "b.json",
      R"([{"instruction": "a", "output": "1"}, {"instruction": "b", "output": "2", "generator": "g"}])"));
  const Outputs model = read_outputs(
      folder.write("m.json", R"([{"instruction": "b", "output": "x"}, {"instruction": "b", "output": "y"},
                                 {"instruction": "c", "output": "z"}])"));
  EXPECT_EQ(model.num_repeated, 1u);
  Pairs pairs = pair_up(baseline, model);
  ASSERT_EQ(pairs.rows.size(), 1u);
  EXPECT_EQ(pairs.rows[0].output_2, "y");
  EXPECT_EQ(pairs.num_missing, 1u);
  EXPECT_EQ(pairs.num_unknown, 1u);
  pairs.rows[0].preference = 1.25;
  write_annotations(folder.path() / "a.json", pairs.rows);
  const std::vector<Annotation> read = read_annotations(folder.path() / "a.json").rows;
  EXPECT_EQ(read[0].preference, 1.25);
  EXPECT_EQ(read[0].generator_1, "g");
  write_outputs(folder.path() / "o.json", baseline.rows);
  EXPECT_EQ(read_outputs(folder.path() / "o.json").rows[1].generator, "g");
}

TEST(Alpaca, FaultyFilesAreErrorsAndFaultyPreferencesNone) {
  const TemporaryFolder folder;
  for (const char* content :
       {"", "{}", "[]", "[1]", R"([{"output": "x"}])", R"([{"instruction": "a", "output": 3}])"})
    EXPECT_THROW(read_outputs(folder.write("o.json", content)), Error) << content;
  const Annotations read = read_annotations(folder.write("a.json", R"([
    {"instruction": "a", "output_1": "x", "output_2": "y", "preference": null},
    {"instruction": "b", "output_1": "x", "output_2": "y", "preference": 2},
    {"instruction": "c", "output_1": "x", "output_2": "y", "preference": 0},
    {"instruction": "b", "output_1": "x", "output_2": "y", "preference": 7}])"));
  ASSERT_EQ(read.rows.size(), 3u);
  EXPECT_FALSE(read.rows[0].preference || read.rows[1].preference);
  EXPECT_EQ(read.rows[2].preference, kDraw);
  EXPECT_EQ(read.num_repeated, 1u);
  EXPECT_THROW(read_annotations(folder.write("a.json", R"([
    {"instruction": "a", "output_1": "x", "output_2": "y", "generator_2": "m"},
    {"instruction": "b", "output_1": "x", "output_2": "y", "generator_2": "n"}])")),
               Error);
}

TEST(Alpaca, LengthControlUndoesAJudgeThatCountsCharacters) {
  // A judge that only looks at lengths, and a model that writes longer: no preference at equal length.
  std::vector<Annotation> rows;
  std::vector<double> difficulty;
  for (int i = 0; i < 200; ++i) {
    Annotation row = annotated("i" + std::to_string(i), {});
    row.output_1 = std::string(100, 'x');
    row.output_2 = std::string(static_cast<size_t>(60 + i), 'x');
    row.preference = row.output_2.size() > row.output_1.size() ? 1.9 : 1.1;
    rows.push_back(row);
    difficulty.push_back(i % 3 - 1);
  }
  EXPECT_GT(grade(rows).win_rate, 70);
  const LengthControlled controlled = length_controlled(fit_length_control(rows, difficulty), difficulty);
  EXPECT_NEAR(controlled.win_rate, 50, 10);
}

TEST(Alpaca, DifficultyIsFoundFromSeveralModels) {
  std::vector<std::vector<Annotation>> models(4);
  for (size_t m = 0; m < models.size(); ++m)
    for (int i = 0; i < 12; ++i) models[m].push_back(annotated("i" + std::to_string(i), i < 6 ? 1.2 : 1.9));
  const std::vector<double> difficulty = fit_difficulty(models);
  EXPECT_EQ(difficulty[0], 0);
  EXPECT_GT(difficulty[11], difficulty[5] + 0.5);  // The penalty takes a part.
  for (size_t i = 0; i < 12; ++i) models[0][i].place = i;
  models[1][3].instruction = "other";
  EXPECT_THROW(fit_difficulty(models), Error);
  const TemporaryFolder folder;
  write_difficulty(folder.path() / "d.csv", models[0], difficulty);
  EXPECT_NEAR(read_difficulty(folder.path() / "d.csv", models[0], Match::kText)[11], difficulty[11], 1e-9);
  EXPECT_THROW(read_difficulty(folder.path() / "d.csv", models[1], Match::kText), Error);
  // A translated edition: by place, also where some are missing.
  std::vector<Annotation> translated = {annotated("ohje 11", 1.5), annotated("ohje 2", 1.5)};
  translated[0].place = 11;
  EXPECT_NEAR(read_difficulty(folder.path() / "d.csv", translated, Match::kText)[0], difficulty[11], 1e-9);
  const std::vector<Annotation> incomplete = {models[0][0], models[0][11]};
  EXPECT_NEAR(read_difficulty(folder.path() / "d.csv", incomplete, Match::kText)[1], difficulty[11], 1e-9);
  std::vector<Annotation> read_back = incomplete;
  read_back[1].place = 1;  // As a file of these two has it.
  EXPECT_NEAR(read_difficulty(folder.path() / "d.csv", read_back, Match::kPlace)[1], difficulty[1], 1e-9);
  translated[1].place = 12;
  EXPECT_THROW(read_difficulty(folder.path() / "d.csv", translated, Match::kText), Error);
}

// From here on: against the published files.

const char* const kFuseChat =
    "alpaca_eval/annotations/FuseChat-Llama-3.1-8B-Instruct.weighted_alpaca_eval_gpt4_turbo.json";
const char* const kVicuna =
    "alpaca_eval/annotations/vicuna-7b-v1.5.weighted_alpaca_eval_gpt4_turbo.with_glm_preference.json";
const char* const kWeights = "alpaca_eval/glm_weights_length_controlled_v1_baseline_gpt4_1106_preview.csv";
const char* const kDifficulty = "alpaca_eval/instruction_difficulty_reconstructed.csv";

size_t leaderboard_row(const Csv& leaderboard, const std::string& model) {
  for (size_t i = 0; i < leaderboard.rows.size(); ++i)
    if (leaderboard.rows[i][0] == model) return i;
  return leaderboard.rows.size();
}

TEST(AlpacaOracle, WinRatesEqualTheLeaderboards) {
  SKIP_WITHOUT_TEST_DATA();
  const Csv leaderboard = read_csv(test_data("alpaca_eval/leaderboard_weighted_alpaca_eval_gpt4_turbo.csv"));
  for (const char* file : {kFuseChat, kVicuna}) {
    const std::vector<Annotation> rows = read_annotations(test_data(file)).rows;
    const Scores scores = grade(rows);
    const size_t at = leaderboard_row(leaderboard, rows[0].generator_2);
    const auto published = [&](const char* title) {
      return leaderboard.number(at, leaderboard.column(title));
    };
    EXPECT_NEAR(scores.win_rate, published("win_rate"), 1e-6);
    EXPECT_NEAR(scores.standard_error, published("standard_error"), 1e-6);
    EXPECT_NEAR(scores.discrete_win_rate, published("discrete_win_rate"), 1e-6);
    EXPECT_EQ(static_cast<double>(scores.num_wins), published("n_wins"));
    EXPECT_EQ(static_cast<double>(scores.num_losses), published("n_wins_base"));
    EXPECT_EQ(static_cast<double>(scores.num_draws), published("n_draws"));
    EXPECT_EQ(std::floor(scores.average_length), published("avg_length"));
  }
}

TEST(AlpacaOracle, LengthControlledWinRatesFollowFromTheFittedWeights) {
  SKIP_WITHOUT_TEST_DATA();
  const Csv leaderboard = read_csv(test_data("alpaca_eval/leaderboard_weighted_alpaca_eval_gpt4_turbo.csv"));
  const std::vector<Annotation> rows = read_annotations(test_data(kFuseChat)).rows;
  const auto lc = [&](const std::string& model, size_t num_rows = 805) {
    return length_controlled(
        read_weights(test_data(kWeights), model),
        read_difficulty(test_data(kDifficulty), {rows.begin(), rows.begin() + static_cast<int64_t>(num_rows)},
                        Match::kPlace));
  };
  EXPECT_NEAR(lc("FuseChat-Llama-3.1-8B-Instruct").win_rate, 65.3862, 5e-5);
  EXPECT_NEAR(lc("FuseChat-Llama-3.1-8B-Instruct").standard_error, 0.6668876, 1e-4);
  EXPECT_NEAR(lc("Meta-Llama-3-8B-Instruct").win_rate, 22.9188, 5e-5);
  // Every model of both files, also those with fewer annotations. The weights of the other two are not those
  // behind their leaderboard rows.
  const Csv weights = read_csv(test_data(kWeights));
  std::vector<std::string> apart;
  for (const std::vector<std::string>& row : weights.rows) {
    const size_t at = leaderboard_row(leaderboard, row[0]);
    if (at == leaderboard.rows.size()) continue;
    // Some have as many annotations as preferences, some annotations without one.
    const auto num_preferences = static_cast<size_t>(leaderboard.number(at, leaderboard.column("n_total")));
    const double published = leaderboard.number(at, leaderboard.column("length_controlled_winrate"));
    if (std::abs(lc(row[0], num_preferences).win_rate - published) > 1e-4 &&
        std::abs(lc(row[0]).win_rate - published) > 1e-4)
      apart.push_back(row[0]);
  }
  EXPECT_EQ(apart, (std::vector<std::string>{"dbrx-instruct", "NullModel"}));
}

TEST(AlpacaOracle, RefittedWeightsStayNearThePublishedOnes) {
  SKIP_WITHOUT_TEST_DATA();
  for (const auto& [file, published] :
       {std::pair{kFuseChat, 65.3862}, std::pair{kVicuna, 7.616892731870527}}) {
    const std::vector<Annotation> rows = read_annotations(test_data(file)).rows;
    const std::vector<double> difficulty = read_difficulty(test_data(kDifficulty), rows, Match::kText);
    const double refitted = length_controlled(fit_length_control(rows, difficulty), difficulty).win_rate;
    EXPECT_NEAR(refitted, published, 1.5) << file;
    RecordProperty(rows[0].generator_2, fmt::format("{:.4f}", refitted));
  }
}

TEST(AlpacaOracle, TheOrderAndThePreferenceAreThoseOfThePublishedJudgments) {
  SKIP_WITHOUT_TEST_DATA();
  size_t num_equal = 0;
  for (const Annotation& row : read_annotations(test_data(kVicuna)).rows) {
    if (row.completion.is_null()) continue;
    std::vector<ChatReply::TokenChance> chances;
    for (const nlohmann::json& top : row.completion["logprobs"]["content"][0]["top_logprobs"])
      chances.push_back({top["token"], top["logprob"]});
    const std::optional<double> ours = preference(chances, row, Order::kSeeded);
    ASSERT_TRUE(ours.has_value());
    EXPECT_NEAR(*ours, *row.preference, 1e-8) << row.instruction;
    ++num_equal;
  }
  EXPECT_EQ(num_equal, 802u);
}

}  // namespace
}  // namespace poro::alpaca
