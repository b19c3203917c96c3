// `poro sample`, `poro score` and `poro inspect` as their user meets them.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/apps/run_poro.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

std::vector<double> sampled(const Json& line) {
  const PoroOutcome outcome = ask_poro({"sample"}, line.dump() + "\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return Json::parse(outcome.out)["probabilities"].get<std::vector<double>>();
}

void expect_near(const std::vector<double>& got, const std::vector<double>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-12) << "at " << i;
}

TEST(SampleCommand, GivesTheDistributionAfterEveryStage) {
  const double a = std::log(1.0), b = std::log(2.0), c = std::log(5.0);
  const auto with = [&](const Json& parameters) {
    return sampled({{"logits", {a, b, c}}, {"parameters", parameters}});
  };
  expect_near(sampled({{"logits", {a, b, c}}}), {0.125, 0.25, 0.625});
  expect_near(with({{"temperature", 0}}), {0, 0, 1});
  expect_near(with({{"temperature", 0.5}}), {1.0 / 30, 4.0 / 30, 25.0 / 30});
  expect_near(with({{"top_k", 2}}), {0, 2.0 / 7, 5.0 / 7});
  expect_near(with({{"top_p", 0.8}}), {0, 2.0 / 7, 5.0 / 7});
  expect_near(with({{"min_p", 0.39}}), {0, 2.0 / 7, 5.0 / 7});
  // log 5 / 2 and log 2: a logit above 0 is divided. "previous_ids" count once each.
  expect_near(
      sampled({{"logits", {a, b, c}}, {"previous_ids", {2, 2}}, {"parameters", {{"repetition_penalty", 2}}}}),
      {1 / (3 + std::sqrt(5)), 2 / (3 + std::sqrt(5)), std::sqrt(5) / (3 + std::sqrt(5))});
  const double once = 5 * std::exp(-1.5), twice = 5 * std::exp(-2.0);
  expect_near(sampled({{"logits", {a, b, c}},
                       {"previous_ids", {2}},
                       {"parameters", {{"presence_penalty", 1}, {"frequency_penalty", 0.5}}}}),
              {1 / (3 + once), 2 / (3 + once), once / (3 + once)});
  expect_near(
      sampled({{"logits", {a, b, c}}, {"previous_ids", {2, 2}}, {"parameters", {{"frequency_penalty", 1}}}}),
      {1 / (3 + twice), 2 / (3 + twice), twice / (3 + twice)});
}

TEST(SampleCommand, RefusesWhatIsWrongOnItsLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "\"logits\" is missing or no array of numbers"},
      {R"({"logits": []})", "\"logits\" is missing or no array of numbers"},
      {R"({"logits": [1, "a"]})", "\"logits\" holds a string at index 1, not a number"},
      {R"({"logits": [1, 2], "previous_ids": [2]})",
       "\"previous_ids\" holds 2, outside the vocabulary of 2 logits"},
      {R"({"logits": [1], "parameters": {"top_q": 1}})",
       "\"parameters\" holds \"top_q\", which is no sampling parameter"},
      {R"({"logits": [1], "parameters": {"top_p": 2}})", "top_p is 2, but must be above 0 and at most 1"},
      {R"({"logits": [1], "parameters": [1]})", "\"parameters\" is of type array, not an object"},
      {R"({"logits": [1e999]})", ""},
  };
  for (const auto& [line, expected] : cases) {
    const PoroOutcome outcome = ask_poro({"sample"}, std::string(line) + "\n{\"logits\": [0]}\n");
    EXPECT_EQ(outcome.exit_code, 2) << line;
    const std::vector<Json> lines = lines_of(outcome.out);
    ASSERT_EQ(lines.size(), 2u) << outcome.out;
    EXPECT_NE(lines[0]["error"].get<std::string>().find(expected), std::string::npos) << lines[0];
    EXPECT_EQ(lines[1], Json({{"probabilities", {1.0}}}));
  }
}

class ModelCommands : public ::testing::Test {
 protected:
  PoroOutcome score(const std::vector<std::string>& more, const std::string& input) const {
    std::vector<std::string> all = {"score", "--model", model_.path(), "--device", "reference"};
    all.insert(all.end(), more.begin(), more.end());
    return ask_poro(all, input);
  }

  TinyChatModel model_;
};

TEST_F(ModelCommands, ScoreTakesIdsTextsAndCompletions) {
  const PoroOutcome outcome = score({"--perplexity"},
                                    "{\"ids\": [256, 72, 101, 105]}\n{\"text\": \"Hei\"}\n"
                                    "{\"prompt\": \"H\", \"completion\": \"ei\"}\n{\"ids\": [5]}\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::vector<Json> lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 5u);
  ASSERT_EQ(lines[0]["logprobs"].size(), 3u);  // The first token has no entry.
  EXPECT_EQ(lines[0]["tokens"], 3);
  EXPECT_NEAR(lines[0]["sum"].get<double>(),
              lines[0]["logprobs"][0].get<double>() + lines[0]["logprobs"][1].get<double>() +
                  lines[0]["logprobs"][2].get<double>(),
              1e-9);
  EXPECT_EQ(lines[1], lines[0]);
  EXPECT_EQ(lines[2]["logprobs"], Json({lines[0]["logprobs"][1], lines[0]["logprobs"][2]}));
  EXPECT_EQ(lines[3], Json({{"logprobs", Json::array()}, {"sum", 0.0}, {"tokens", 0}}));
  const double sum = 2 * lines[0]["sum"].get<double>() + lines[2]["sum"].get<double>();
  EXPECT_EQ(lines[4]["tokens"], 8);
  EXPECT_NEAR(lines[4]["perplexity"].get<double>(), std::exp(-sum / 8), 1e-6);
}

TEST_F(ModelCommands, ScoreRefusesWhatIsWrongOnItsLine) {
  for (const std::string line : {"{}", "{\"ids\": [1], \"text\": \"a\"}", "{\"prompt\": \"a\"}",
                                 "{\"ids\": [264, 1]}", "{\"ids\": \"a\"}", "{\"text\": 1}", "nothing"}) {
    const PoroOutcome outcome = score({}, line + "\n{\"ids\": [1, 2]}\n");
    EXPECT_EQ(outcome.exit_code, 2) << line;
    const std::vector<Json> lines = lines_of(outcome.out);
    ASSERT_EQ(lines.size(), 2u) << line;
    EXPECT_TRUE(lines[0].contains("error")) << lines[0];
    EXPECT_EQ(lines[1]["tokens"], 1);
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
  EXPECT_EQ(score({"--perplexity"}, "").exit_code, 2);
}

TEST_F(ModelCommands, InspectCountsParametersAndMemory) {
  const PoroOutcome outcome = run_poro({"inspect", "--model", model_.path(), "--json"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json report = Json::parse(outcome.out);
  int64_t sum = 0;
  for (const auto& [group, count] : report["parameters_by_group"].items()) sum += count.get<int64_t>();
  EXPECT_EQ(report["parameters"], sum);
  EXPECT_EQ(report["tokenizer"]["bos_id"], 256);
  EXPECT_EQ(report["config"]["vocab_size"], 264);
  EXPECT_GT(report["chat_template"]["bytes"], 100);
  EXPECT_TRUE(report["tensors"].contains("bf16")) << report["tensors"];
  ASSERT_EQ(report["memory"].size(), 1u);
  EXPECT_EQ(report["memory"][0]["context"], 192);
  const PoroOutcome words = run_poro({"inspect", "--model", model_.path()});
  EXPECT_EQ(words.exit_code, 0);
  EXPECT_NE(words.out.find("memory in GB"), std::string::npos);
}

TEST_F(ModelCommands, InspectKnowsTheShapesOfPoro2) {
  const Json small = Json::parse(run_poro({"inspect", "--model", "shape:poro2-8b", "--json"}).out);
  EXPECT_EQ(small["parameters"], 8030261248);
  EXPECT_EQ(Json::parse(run_poro({"inspect", "--model", "shape:poro2-70b", "--json"}).out)["parameters"],
            70553706496);
  const PoroOutcome none = run_poro({"inspect", "--model", "shape:poro2-9b"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_EQ(none.out, "");
}

}  // namespace
}  // namespace poro
