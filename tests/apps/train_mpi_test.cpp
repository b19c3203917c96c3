// `mpirun -n 2 poro train`: two processes give what one gives, and stop together when one is gone.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/apps/mpirun.h"
#include "tests/apps/run_poro.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class TrainMpi : public ::testing::Test {
 protected:
  TrainMpi() {
    std::ofstream rows(folder_ / "rows.jsonl"), pairs(folder_ / "pairs.jsonl");
    for (int i = 0; i < 60; ++i) {
      const std::string words(static_cast<size_t>(3 + i * 7 % 31), static_cast<char>('a' + i % 26));
      rows << Json{{"text", words + " " + std::to_string(i)}}.dump() << "\n";
      pairs << Json{{"prompt", words}, {"chosen", std::to_string(i)}, {"rejected", words}}.dump() << "\n";
    }
  }

  void SetUp() override {
#ifndef PORO_MPI
    GTEST_SKIP() << "this poro was built without MPI; install libopenmpi-dev";
#endif
    if (!fs::exists(kMpirun)) GTEST_SKIP() << "there is no " << kMpirun << "; install openmpi-bin";
  }

  std::vector<std::string> arguments(const std::string& stage, const std::string& run,
                                     const std::vector<std::string>& settings) {
    const fs::path recipe = folder_ / (run + ".toml");
    std::ofstream(recipe) << "stage = \"" << stage << "\"\n[model]\ninit = \"" << model_.path()
                          << "\"\n[data]\nsources = [{ path = \""
                          << (folder_ / (stage == "dpo" ? "pairs.jsonl" : "rows.jsonl")).string()
                          << "\" }]\nsequence_length = 96\ncache = \"" << (folder_ / "cache").string()
                          << "\"\n[optimizer]\nlearning_rate = 1e-3\n[train]\nglobal_batch = 8\nsteps = "
                             "6\nprecision = \"f32\"\n"
                             "[output]\nsave_every = 2\ndir = \""
                          << (folder_ / run).string() << "\"\n";
    std::vector<std::string> result = {"train", recipe, "--resume", "--threads", "1"};
    for (const std::string& setting : settings) result.insert(result.end(), {"--set", setting});
    return result;
  }

  std::vector<double> losses(const std::string& run) const {
    std::vector<double> result;
    std::ifstream metrics(folder_ / run / "metrics.jsonl");
    for (std::string line; std::getline(metrics, line);) result.push_back(Json::parse(line).at("loss"));
    return result;
  }

  void expect_losses_of_one(const std::string& stage, const std::string& device, double tolerance,
                            const std::vector<std::string>& sharings) {
    const auto on_device = [&](const std::string& run, const std::vector<std::string>& settings) {
      std::vector<std::string> result = arguments(stage, run, settings);
      result.insert(result.end(), {"--device", device});
      return result;
    };
    const PoroOutcome one = run_poro(on_device(stage + "-one", {}));
    ASSERT_EQ(one.exit_code, 0) << one.err;
    for (const std::string& sharing : sharings) {
      const std::string run = stage + sharing;
      const PoroOutcome two = run_poro(on_device(run, {sharing}), mpirun(2));
      ASSERT_EQ(two.exit_code, 0) << two.err;
      ASSERT_EQ(losses(run).size(), 6u);
      for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(losses(run)[i], losses(stage + "-one")[i], tolerance) << run;
      EXPECT_TRUE(fs::exists(folder_ / run / "final/model.safetensors"));
    }
  }

  TinyChatModel model_;
  ScratchFolder folder_;
};

TEST_F(TrainMpi, TwoProcessesGiveTheLossesOfOne) {
  for (const std::string stage : {"sft", "dpo"})
    expect_losses_of_one(
        stage, "cpu", 1e-6,  // float32 sums in another order
        {"parallel.zero=0", "parallel.zero=1", "parallel.zero=2", "parallel.zero=3", "parallel.tensor=2"});
}

// What float32 could hide, double precision shows: a row or a part of a sum left out is no rounding.
TEST_F(TrainMpi, InDoublePrecisionOnlyRoundingIsLeft) {
  for (const std::string stage : {"sft", "dpo"})
    expect_losses_of_one(stage, "reference", 1e-12, {"parallel.zero=3", "parallel.tensor=2"});
}

// The process of rank 1, by what the launcher wrote into its environment.
pid_t find_rank(const std::string& run, const std::string& rank) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != pid.npos) continue;
    std::ifstream environment(entry.path() / "environ"), command(entry.path() / "cmdline");
    const std::string variables{std::istreambuf_iterator<char>(environment), {}},
        words{std::istreambuf_iterator<char>(command), {}};
    if (variables.find("OMPI_COMM_WORLD_RANK=" + rank) != variables.npos &&
        words.find(run + ".toml") != words.npos)
      return std::stoi(pid);
  }
  return -1;
}

TEST_F(TrainMpi, AKilledRankStopsAllAndTheRunGoesOnFromTheLastCheckpoint) {
  ASSERT_EQ(
      run_poro(arguments("sft", "straight", {"train.steps=40", "parallel.zero=2"}), mpirun(2)).exit_code, 0);
  const auto settings = std::vector<std::string>{"train.steps=40", "parallel.zero=2"};
  {
    PoroProcess process(arguments("sft", "killed", settings), mpirun(2));
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(5);
    while (!fs::exists(folder_ / "killed/checkpoints/step-4")) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << process.err();
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    const pid_t victim = find_rank("killed", "1");
    ASSERT_GT(victim, 0);
    ::kill(victim, SIGKILL);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_NE(process.wait(), 0);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
    EXPECT_NE(process.err().find("rank 1"), std::string::npos) << process.err();
  }
  const PoroOutcome resumed = run_poro(arguments("sft", "killed", settings), mpirun(2));
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(losses("killed"), losses("straight"));
  EXPECT_TRUE(read_file(folder_ / "killed/final/model.safetensors") ==
              read_file(folder_ / "straight/final/model.safetensors"));
}

TEST_F(TrainMpi, RanksThatDoNotFitTheRecipeAreToldSoOnce) {
  const PoroOutcome outcome = run_poro(arguments("sft", "three", {"train.global_batch=8"}), mpirun(3));
  EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
  EXPECT_NE(outcome.err.find("train.global_batch = 8 is no multiple of 3 data-parallel ranks"),
            std::string::npos)
      << outcome.err;
  EXPECT_EQ(outcome.err.find("is no multiple"), outcome.err.rfind("is no multiple")) << outcome.err;
}

}  // namespace
}  // namespace poro
