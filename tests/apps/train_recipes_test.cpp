// The recipes in the repository: the small ones train, one after the other, and get better; the others can be
// read and hold the values that were published.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/apps/run_poro.h"
#include "train/recipe.h"

namespace poro {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::vector<Json> lines_of(const fs::path& path) {
  std::vector<Json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(Json::parse(line));
  return lines;
}

std::vector<Json> validations(const fs::path& run) {
  std::vector<Json> result;
  for (const Json& event : lines_of(run / "events.jsonl"))
    if (event.at("event") == "validation") result.push_back(event);
  return result;
}

TEST(TinyRecipes, TrainOneAfterTheOtherAndLowerTheHeldOutLoss) {
  ScratchFolder folder;
  fs::create_symlink(fs::path(PORO_SOURCE_DIR) / "recipes", folder / "recipes");
  const auto train = [&](const std::string& name) {
    // From a folder that has recipes/ and will have runs/, as the repository's root.
    const PoroOutcome outcome =
        run_poro({"train", "recipes/" + name + ".toml", "--threads", "1", "--set", "data.cache=cache"},
                 {"/usr/bin/env", "-C", folder.path().string()});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return folder / "runs" / name;
  };
  for (const std::string name : {"tiny-cpt", "tiny-sft"}) {
    const std::vector<Json> held_out = validations(train(name));
    ASSERT_GE(held_out.size(), 2u) << name;
    EXPECT_LT(held_out.back().at("loss").get<double>(), held_out.front().at("loss").get<double>()) << name;
  }
  const fs::path run = train("tiny-dpo");
  EXPECT_GT(validations(run).back().at("accuracy").get<double>(), 0.55);
  EXPECT_GT(validations(run).back().at("margin").get<double>(), 0.0);
  EXPECT_NEAR(lines_of(run / "metrics.jsonl").front().at("loss").get<double>(), std::log(2.0),
              1e-3);  // Nothing learned yet.
  EXPECT_TRUE(fs::exists(run / "report.html"));
  EXPECT_TRUE(fs::exists(run / "final/chat_template.jinja"));
}

TEST(PoroRecipes, HoldWhatTheMakersPublished) {
  struct Row {
    std::string name;
    double rate;
    int64_t batch, sequence;
    ScheduleKind schedule;
    double warmup;
  };
  for (const Row& row : std::vector<Row>{{"8b-cpt", 3e-4, 512, 8192, ScheduleKind::kCosine, 0.05},
                                         {"70b-cpt", 1.5e-4, 512, 8192, ScheduleKind::kCosine, 0.05},
                                         {"8b-sft", 5e-6, 64, 4096, ScheduleKind::kLinear, 0.03},
                                         {"70b-sft", 5e-6, 128, 4096, ScheduleKind::kLinear, 0.03},
                                         {"8b-dpo", 5e-7, 64, 4096, ScheduleKind::kCosine, 0.1},
                                         {"70b-dpo", 5e-7, 64, 4096, ScheduleKind::kCosine, 0.1}}) {
    const Recipe recipe =
        load_recipe(fs::path(PORO_SOURCE_DIR) / "recipes" / ("poro2-" + row.name + ".toml"), {});
    EXPECT_EQ(recipe.optimizer.learning_rate, row.rate) << row.name;
    EXPECT_EQ(recipe.train.global_batch, row.batch) << row.name;
    EXPECT_EQ(recipe.data.sequence_length, row.sequence) << row.name;
    EXPECT_EQ(recipe.optimizer.schedule, row.schedule) << row.name;
    EXPECT_EQ(recipe.optimizer.warmup_ratio, row.warmup) << row.name;
    EXPECT_EQ(
        load_recipe(fs::path(PORO_SOURCE_DIR) / "recipes" / ("poro2-" + row.name + ".toml"), {}).dpo.beta,
        0.01)
        << row.name;
  }
}

}  // namespace
}  // namespace poro
