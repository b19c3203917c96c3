// `mpirun -n 2 poro generate` and its neighbours: two processes that split a model give what one gives, and
// stop together.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/cuda_devices.h"
#include "tests/apps/mpirun.h"
#include "tests/apps/run_poro.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

constexpr double kTolerance = 1e-5;  // float32 sums in another order

class SplitMpi : public ::testing::Test {
 protected:
  void SetUp() override {
#ifndef PORO_MPI
    GTEST_SKIP() << "this poro was built without MPI; install libopenmpi-dev";
#endif
    if (!fs::exists(kMpirun)) GTEST_SKIP() << "there is no " << kMpirun << "; install openmpi-bin";
  }

  static Words launcher(int ranks) {
    if (ranks == 1) return {};
    return mpirun(ranks);
  }
  Words with_model(Words words, const std::string& device) const {
    for (const std::string& word :
         Words{"--model", model_.path(), "--device", device, "--dtype", "f32", "--threads", "1"})
      words.push_back(word);
    return words;
  }
  std::vector<Json> lines(const Words& words, int ranks, const std::string& input) const {
    const PoroOutcome outcome = run_poro(words, launcher(ranks), input);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    std::vector<Json> result;
    std::istringstream out(outcome.out);
    for (std::string line; std::getline(out, line);) result.push_back(Json::parse(line));
    return result;
  }

  void expect_like_one(const std::string& device) {
    std::string requests;
    for (int i = 0; i < 10; ++i)
      requests += Json{{"prompt", std::string(static_cast<size_t>(3 + i * 5), static_cast<char>('a' + i))},
                       {"max_new_tokens", 20},
                       {"temperature", i % 2 == 0 ? 0.0 : 0.8},
                       {"seed", i}}
                      .dump() +
                  "\n";
    const Words generate = with_model({"generate", "--jsonl"}, device),
                score = with_model({"score", "--perplexity"}, device);
    const std::vector<Json> one = lines(generate, 1, requests), two = lines(generate, 2, requests);
    EXPECT_EQ(one.size(), 10u);
    EXPECT_EQ(one, two);
    const std::string texts = "{\"text\": \"hyvää huomenta\"}\n{\"text\": \"good morning to all of you\"}\n";
    const std::vector<Json> one_score = lines(score, 1, texts), two_score = lines(score, 2, texts);
    ASSERT_EQ(one_score.size(), 3u);
    ASSERT_EQ(two_score.size(), 3u);
    for (size_t i = 0; i < 2; ++i)
      for (size_t t = 0; t < one_score[i]["logprobs"].size(); ++t)
        EXPECT_NEAR(one_score[i]["logprobs"][t].get<double>(), two_score[i]["logprobs"][t].get<double>(),
                    kTolerance);
  }

  TinyChatModel model_;
};

TEST_F(SplitMpi, TwoProcessesSayWhatOneSays) {
  expect_like_one("cpu");
}

TEST_F(SplitMpi, TwoGpusSayWhatOneSays) {
  if (cuda_report().devices.size() < 2) GTEST_SKIP() << "fewer than two NVIDIA GPUs on this machine";
  expect_like_one("cuda");
}

TEST_F(SplitMpi, OpensModelsAgainAndAgain) {
  const PoroOutcome outcome =
      run_poro(with_model({"bench", "load", "--repetitions", "3"}, "cpu"), launcher(2));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(Json::parse(outcome.out).at("ranks"), 2);
}

// Both find it wrong, or only the first one knows; one sentence, and all are gone within seconds.
TEST_F(SplitMpi, WhatIsWrongIsSaidOnceAndStopsAll) {
  struct Case {
    Words words;
    int ranks;
    std::string input, sentence;
  };
  const Case cases[] = {
      {with_model({"generate", "--prompt", "a"}, "cpu"), 3, "",
       "3 ranks cannot split the model's query heads, 4"},
      {with_model({"generate", "--prompt", "a", "--context", "100000"}, "cpu"), 2, "",
       "--context 100000 is not from 1 to"},
      {with_model({"generate", "--prompt", std::string(500, 'a')}, "cpu"), 2, "",
       "the context of 192 must hold"},
      {with_model({"generate", "--prompt", "a", "--kv-dtype", "fp8"}, "cpu"), 2, "",
       "--kv-dtype fp8 is for GPUs"},
  };
  for (const Case& c : cases) {
    const auto start = std::chrono::steady_clock::now();
    const PoroOutcome outcome = run_poro(c.words, launcher(c.ranks), c.input);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
    const size_t said = outcome.err.find(c.sentence);
    EXPECT_NE(said, std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find(c.sentence, said + 1), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace poro
