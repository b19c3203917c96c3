#include "eval/report/pages.h"
#include "eval/report/svg.h"
#include "tests/eval/eval_data.h"

namespace poro::report {
namespace {

// A run folder as a benchmark leaves it.
struct Made {
  std::string model, task = "mtbench", language = "fi";
  double value = 5;
  std::vector<double> scores = {1, 5, 9};

  std::filesystem::path in(const TemporaryFolder& folder) const {
    const std::filesystem::path path = folder.path() / (task + "-" + language + "-" + model);
    const RunFolder run(path, {{"task", task}, {"language", language}, {"data", {{"sha256", "abc"}}}});
    std::vector<RunItem> items;
    for (size_t i = 0; i < scores.size(); ++i)
      items.push_back({.id = std::to_string(i),
                       .category = i % 3 == 0   ? "math"
                                   : i % 3 == 1 ? "writing"
                                                : "stem",
                       .turns = {{.prompt = "Q", .answer = "<script>alert(1)</script>", .verdict = "[[5]]"}},
                       .score = scores[i]});
    nlohmann::ordered_json summary = {
        {"task", task},
        {"model", model},
        {"headline", headline("score", value, Interval{.low = value - 1, .high = value + 1})},
        {"judgments", {{"missing", 2}, {"repeated", 0}}}};
    if (task == "ifeval")
      summary["types"] = {
          {"punctuation:no_comma", {{"instructions", 3}, {"strict_acc", value / 10}, {"loose_acc", 1.0}}},
          {"keywords:existence", {{"instructions", 1}, {"strict_acc", 0.0}, {"loose_acc", 0.0}}},
          {"keywords:frequency", {{"instructions", 3}, {"strict_acc", 0.0}, {"loose_acc", 1.0}}}};
    run.finish(items, summary);
    return path;
  }
};

std::vector<Run> read(const TemporaryFolder& folder, const std::vector<Made>& all) {
  std::vector<Run> runs;
  for (const Made& made : all) runs.push_back(read_run(made.in(folder)));
  return runs;
}

const Table& table_called(const std::vector<Table>& tables, const std::string& title) {
  for (const Table& table : tables)
    if (table.title == title) return table;
  fail("no table {}", title);
}

TEST(Report, TheCardsTableAveragesAsTheMakersDo) {
  const TemporaryFolder folder;
  // Poro 2 8B Instruct in Finnish: (66.54 + 67.5 + 28.89) / 3.
  const auto tables = report::tables(read(folder, {{.model = "m", .task = "ifeval", .value = 66.54},
                                                   {.model = "m", .task = "mtbench", .value = 6.75},
                                                   {.model = "m", .task = "alpaca", .value = 28.89},
                                                   {.model = "n", .task = "ifeval", .value = 50}}));
  const Table& finnish = table_called(tables, "Finnish");
  ASSERT_EQ(finnish.rows.size(), 4u);
  EXPECT_EQ(finnish.rows[0][0], "IFEval");
  EXPECT_EQ(finnish.rows[1][2], "6.75 [5.75, 7.75]");
  EXPECT_EQ(finnish.rows[3][2], "54.31");
  EXPECT_EQ(finnish.rows[3][3], "–");
}

TEST(Report, ModelsAreComparedItemByItemOnTheSameData) {
  const TemporaryFolder folder;
  std::vector<double> low, high;
  for (int i = 0; i < 40; ++i) {
    low.push_back(i % 5);
    high.push_back(i % 5 + (i % 4 == 0 ? 0 : 1));
  }
  const auto tables = report::tables(read(folder, {{.model = "a", .scores = low},
                                                   {.model = "b", .scores = high},
                                                   {.model = "c", .language = "en", .scores = high}}));
  const Table& paired = table_called(tables, "Paired comparisons");
  ASSERT_EQ(paired.rows.size(), 1u);
  EXPECT_EQ(paired.rows[0][2], "a − b");
  EXPECT_EQ(paired.rows[0][3], "40");
  EXPECT_EQ(paired.rows[0][4], "-0.7500");
  EXPECT_LT(std::stod(paired.rows[0][5]), 0.01);
}

TEST(Report, WhatWasWrongIsListed) {
  const TemporaryFolder folder;
  const Table wrong =
      table_called(report::tables(read(folder, {{.model = "a"}})), "Inputs with something wrong");
  ASSERT_EQ(wrong.rows.size(), 1u);
  EXPECT_EQ(wrong.rows[0][3], "judgments: missing");
  EXPECT_EQ(wrong.rows[0][4], "2");
}

TEST(Report, InstructionTypesAreShownSideBySide) {
  const TemporaryFolder folder;
  const Table types =
      table_called(report::tables(read(folder, {{.model = "a", .task = "ifeval", .value = 5},
                                                {.model = "b", .task = "ifeval", .value = 4}})),
                   "IFEval by type, Finnish");
  EXPECT_EQ(types.header, (std::vector<std::string>{"type", "instructions", "a", "b"}));
  ASSERT_EQ(types.rows.size(), 3u);
  EXPECT_EQ(types.rows[2],
            (std::vector<std::string>{"punctuation:no_comma", "3", "0.50 / 1.00", "0.40 / 1.00"}));
}

TEST(Report, ChartsHoldTheMeansOfCategories) {
  const TemporaryFolder folder;
  const auto charts = report::charts(read(folder, {{.model = "a", .scores = {1, 5, 9, 3}}, {.model = "b"}}));
  ASSERT_EQ(charts.size(), 1u);
  EXPECT_EQ(charts[0].axes, (std::vector<std::string>{"math", "writing", "stem"}));
  EXPECT_EQ(charts[0].series[0].values[0], 2);
  EXPECT_EQ(charts[0].maximum, 10);
  EXPECT_NE(radar(charts[0]).find("<polygon"), std::string::npos);
  EXPECT_NE(bars(charts[0]).find(">2.00<"), std::string::npos);
  const auto kinds = report::charts(read(folder, {{.model = "a", .task = "ifeval"}}));
  EXPECT_EQ(kinds[0].axes, (std::vector<std::string>{"keywords", "punctuation"}));
  EXPECT_EQ(kinds[0].series[0].values, (std::vector<double>{0.75, 1}));
}

TEST(Report, ThePageIsOneFileAndShowsAnswersAsText) {
  const TemporaryFolder folder;
  const auto runs = read(folder, {{.model = "<b>m</b>"}});
  const std::string page = html(runs);
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_EQ(page.find("alert(1)</script>"), std::string::npos);
  EXPECT_EQ(page.find("<b>m"), std::string::npos);
  EXPECT_EQ(page.find("src="), std::string::npos);
  EXPECT_EQ(page.find("href="), std::string::npos);
  EXPECT_EQ(page, html(runs));
  EXPECT_NE(markdown(runs).find("| MT-Bench | score | 5.00 [4.00, 6.00] |"), std::string::npos)
      << markdown(runs);
}

TEST(Report, AnUnfinishedRunIsAnError) {
  const TemporaryFolder folder;
  { const RunFolder run(folder.path() / "run", {{"task", "mtbench"}}); }
  EXPECT_THROW(read_run(folder.path() / "run"), Error);
  EXPECT_THROW(read_run(folder.path() / "none"), Error);
}

}  // namespace
}  // namespace poro::report
