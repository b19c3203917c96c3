// The report of a run: every curve there is, and nothing that a browser would have to fetch.
#include "train/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/file.h"
#include "tests/scratch_folder.h"
#include "train/svg_chart.h"

namespace poro {
namespace {

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(Report, HasACurveForEverythingTheRunSays) {
  ScratchFolder run;
  std::ofstream(run / "metrics.jsonl")
      << R"({"step":0,"loss":3,"grad_norm":1,"lr":0.1,"tokens":9,"tokens_per_second":5,"seconds":1,"loss_by_source":{"a<b":3,"c":2}})"
      << "\n"
      << R"({"step":1,"loss":2,"grad_norm":1,"lr":0.1,"tokens":18,"tokens_per_second":5,"seconds":1,"loss_by_source":{"a<b":1}})"
      << "\n"
      << R"({"step":2,"lo)";  // Cut by a kill.
  std::ofstream(run / "events.jsonl") << R"({"event":"start","step":0})"
                                      << "\n"
                                      << R"({"event":"validation","step":2,"loss":2.5})"
                                      << "\n";
  std::ofstream(run / "recipe.toml") << "stage = \"cpt\"\n";
  write_report(run.path());
  const std::string page = read_file(run / "report.html");
  for (const char* part : {"<h2>Loss</h2>", "<h2>Loss by source</h2>", "<h2>Gradient norm</h2>",
                           "<h2>Learning rate</h2>", "held out", "a&lt;b", "stage = &quot;cpt&quot;",
                           "held-out loss from 2.5000 to 2.5000", "2 steps, 18 tokens"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  for (const char* part : {"Rewards", "http:", "https:", "<script", "src=", "a<b"})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
}

TEST(Report, OfARunWithoutAStepSaysSo) {
  ScratchFolder run;
  write_report(run.path());
  EXPECT_NE(read_file(run / "report.html").find("No step has been done yet"), std::string::npos);
}

TEST(SvgChart, HasNoMorePointsThanCanBeSeenAndNoneThatAreNoNumbers) {
  Series series{.label = "x", .points = {}};
  for (int i = 0; i < 100000; ++i) series.points.push_back({.x = double(i), .y = std::sin(i * 1e-3)});
  EXPECT_LT(svg_chart({series}, Scale::kLinear).size(), 20000u);
  const std::string chart = svg_chart(
      {{.label = "y", .points = {{0, 1}, {1, std::nan("")}, {2, 0}, {3, -1}}}}, Scale::kLogarithmic);
  EXPECT_EQ(chart.find("nan"), std::string::npos);
  EXPECT_EQ(chart.find("inf"), std::string::npos);
  EXPECT_EQ(count(chart, "<circle"), 1u);
}

TEST(SvgChart, PutsTicksOnRoundNumbers) {
  EXPECT_EQ(round_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(round_ticks(-0.3, 0.9, 4).size(), 6u);
}

}  // namespace
}  // namespace poro
