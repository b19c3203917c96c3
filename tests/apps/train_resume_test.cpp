// A run that is killed again and again ends where one that was never stopped ends, bit for bit.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/apps/run_poro.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class TrainResume : public ::testing::Test {
 protected:
  TrainResume() {
    std::mt19937 engine(3);
    std::ofstream rows(folder_ / "rows.jsonl");
    for (int i = 0; i < 200; ++i) {
      std::string words;
      for (unsigned length = 3 + engine() % 40; length > 0; --length)
        words += static_cast<char>('a' + engine() % 26);
      rows << Json{{"messages",
                    {{{"role", "user"}, {"content", words}}, {{"role", "assistant"}, {"content", words}}}}}
                  .dump()
           << "\n";
    }
    std::ofstream(folder_ / "recipe.toml")
        << "stage = \"sft\"\n[model]\ninit = \"" << model_.path() << "\"\n[data]\nsources = [{ path = \""
        << (folder_ / "rows.jsonl").string() << "\" }]\nsequence_length = 96\ncache = \""
        << (folder_ / "cache").string()
        << "\"\n[optimizer]\nlearning_rate = 1e-3\nwarmup_ratio = 0.1\nschedule = \"cosine\"\n"
           "[train]\nglobal_batch = 2\nsteps = 100\nprecision = \"f32\"\n"
           "[output]\nsave_every = 2\nkeep_last = 2\n";
  }

  // One thread: on a machine that others use too, threads that wait for each other would take most of the
  // time.
  std::vector<std::string> arguments(const std::string& run,
                                     const std::vector<std::string>& more = {}) const {
    std::vector<std::string> result = {"train",
                                       folder_ / "recipe.toml",
                                       "--resume",
                                       "--threads",
                                       "1",
                                       "--set",
                                       "output.dir=" + (folder_ / run).string()};
    result.insert(result.end(), more.begin(), more.end());
    return result;
  }
  std::string weights(const std::string& run) const {
    return read_file(folder_ / run / "final/model.safetensors");
  }

  // The losses of metrics.jsonl, by step; every step must be there once.
  std::vector<double> losses(const std::string& run) const {
    std::vector<double> result;
    std::ifstream metrics(folder_ / run / "metrics.jsonl");
    for (std::string line; std::getline(metrics, line);) {
      const Json json = Json::parse(line);
      EXPECT_EQ(json.at("step").get<size_t>(), result.size());
      result.push_back(json.at("loss"));
    }
    return result;
  }

  void expect_same(const std::string& run, const std::string& other) {
    EXPECT_EQ(losses(run), losses(other));
    EXPECT_EQ(losses(run).size(), 100u);
    EXPECT_TRUE(weights(run) == weights(other));
  }

  // Until the run has written this many steps, or ended, or a busy machine has had all patience.
  void wait_for_steps(const std::string& run, int64_t steps) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (std::chrono::steady_clock::now() < deadline) {
      std::ifstream metrics(folder_ / run / "metrics.jsonl");
      if (std::count(std::istreambuf_iterator<char>(metrics), {}, '\n') >= steps) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  // Lives end a few steps after the one before, and up to a step later, in whatever the run does then.
  // Counted in steps, because a machine that others use has no speed; twenty lives reach step 80 of 100 at
  // most.
  void check_kills(const std::vector<std::string>& more, const std::string& name) {
    const auto start = std::chrono::steady_clock::now();
    const PoroOutcome straight = run_poro(arguments("straight" + name, more));
    ASSERT_EQ(straight.exit_code, 0) << straight.err;
    const std::chrono::duration<double> step = (std::chrono::steady_clock::now() - start) / 100.0;
    std::mt19937 engine(11);
    int kills = 0;
    int64_t steps = 0;
    for (int life = 0; life < 20; ++life) {
      PoroProcess process(arguments("killed" + name, more));
      steps += engine() % 5;
      wait_for_steps("killed" + name, steps);
      std::this_thread::sleep_for(step * static_cast<double>(engine()) /
                                  static_cast<double>(std::mt19937::max()));
      if (process.kill() == -1) ++kills;
    }
    EXPECT_EQ(kills, 20);
    EXPECT_FALSE(fs::is_empty(folder_ / ("killed" + name) / "checkpoints"));
    const PoroOutcome last = run_poro(arguments("killed" + name, more));
    ASSERT_EQ(last.exit_code, 0) << last.err;
    expect_same("killed" + name, "straight" + name);
  }

  TinyChatModel model_;
  ScratchFolder folder_;
};

TEST_F(TrainResume, TwentyKillsChangeNoBit) {
  check_kills({}, "");
}

TEST_F(TrainResume, TwentyKillsChangeNoBitInSixteenBits) {
  check_kills({"--set", "train.precision=bf16", "--set", "optimizer.moments=bf16"}, "-bf16");
}

TEST_F(TrainResume, ADamagedCheckpointIsRecognisedAndTheOneBeforeItUsed) {
  ASSERT_EQ(run_poro(arguments("straight")).exit_code, 0);
  {
    PoroProcess process(arguments("damaged"));
    while (!fs::exists(folder_ / "damaged/checkpoints/step-20"))
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    process.kill();
  }
  std::vector<int64_t> steps;
  for (const auto& entry : fs::directory_iterator(folder_ / "damaged/checkpoints"))
    if (entry.path().filename().string().find("partial") == std::string::npos)
      steps.push_back(std::stoll(entry.path().filename().string().substr(5)));
  std::sort(steps.begin(), steps.end());
  ASSERT_GE(steps.size(), 2u);
  const fs::path newest =
      folder_ / "damaged/checkpoints" / ("step-" + std::to_string(steps.back())) / "rank-00000.state";
  std::string bytes = read_file(newest);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_file_atomic(newest, bytes);
  const PoroOutcome resumed = run_poro(arguments("damaged"));
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("is damaged"), std::string::npos) << resumed.err;
  EXPECT_NE(resumed.err.find("going on from"), std::string::npos) << resumed.err;
  expect_same("damaged", "straight");
}

TEST_F(TrainResume, AFinishedRunHasNothingLeftToDo) {
  ASSERT_EQ(run_poro(arguments("run", {"--set", "train.steps=4"})).exit_code, 0);
  const std::string before = weights("run"), metrics = read_file(folder_ / "run/metrics.jsonl");
  const PoroOutcome again = run_poro(arguments("run", {"--set", "train.steps=4"}));
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_TRUE(weights("run") == before);
  EXPECT_EQ(read_file(folder_ / "run/metrics.jsonl"), metrics);
}

TEST_F(TrainResume, OtherDataOrAForgottenResumeIsRefused) {
  ASSERT_EQ(run_poro(arguments("run", {"--set", "train.steps=4"})).exit_code, 0);
  std::vector<std::string> without = arguments("run");
  std::erase(without, "--resume");
  const PoroOutcome forgotten = run_poro(without);
  EXPECT_EQ(forgotten.exit_code, 2);
  EXPECT_NE(forgotten.err.find("continue it with --resume"), std::string::npos) << forgotten.err;
  const PoroOutcome other = run_poro(arguments("run", {"--set", "train.seed=7", "--set", "train.steps=9"}));
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_NE(other.err.find("other data, packing or seed"), std::string::npos) << other.err;
}

}  // namespace
}  // namespace poro
