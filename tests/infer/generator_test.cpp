#include "infer/generator.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "infer/scorer.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

struct Loaded {
  explicit Loaded(std::unique_ptr<Device> on, const std::string& folder = TinyChatModel().path())
      : device(std::move(on)), llama(Llama::load(*device, folder, {})) {
    if (std::filesystem::exists(folder + "/tokenizer.json")) tokenizer.emplace(Tokenizer::load(folder));
  }
  Generator generator() {
    return Generator(llama, tokenizer ? &*tokenizer : nullptr, llama.config().max_positions);
  }

  std::unique_ptr<Device> device;
  Llama llama;
  std::optional<Tokenizer> tokenizer;
};

const std::vector<int32_t> kPrompt = {256, 72,  121, 118,
                                      195, 164, 195, 164};  // "Hyvää" after the begin of text.

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Generator, StreamsTheTextItReturns) {
  Loaded model(Device::cpu(2));
  Generator generator = model.generator();
  std::string streamed;
  const Generation result = generator.generate(
      {.ids = kPrompt, .sampling = {.seed = 1}, .max_new_tokens = 60}, [&](std::string_view piece) {
        EXPECT_TRUE(is_valid_utf8(piece));
        streamed += piece;
      });
  EXPECT_EQ(streamed, result.text);
  ASSERT_EQ(result.ids.size(), 60u);
  EXPECT_EQ(result.finish_reason, FinishReason::kLength);
  EXPECT_FALSE(result.is_context_full);
  std::vector<int32_t> of_text;  // Padding ids past the tokenizer's last are no text.
  for (const int32_t id : result.ids)
    if (id < model.tokenizer->vocab_size()) of_text.push_back(id);
  EXPECT_EQ(result.text, model.tokenizer->decode(of_text, SkipSpecial::kYes));
}

TEST(Generator, StopsAtIdsAndBeforeStrings) {
  Loaded model(Device::cpu(1));
  Generator generator = model.generator();
  const GenerationRequest request{.ids = kPrompt, .sampling = {.seed = 3}, .max_new_tokens = 40};
  const Generation all = generator.generate(request);

  GenerationRequest by_id = request;
  by_id.stop_ids = {all.ids[10]};
  const Generation until_id = generator.generate(by_id);
  EXPECT_EQ(until_id.finish_reason, FinishReason::kStop);
  const auto first = std::find(all.ids.begin(), all.ids.end(), all.ids[10]);
  EXPECT_EQ(until_id.ids, std::vector<int32_t>(all.ids.begin(), first + 1));

  GenerationRequest by_text = request;
  const std::string stop = all.text.substr(all.text.size() / 2, 3);
  by_text.stop_strings = {"never said", stop};
  std::string streamed;
  const Generation until_text =
      generator.generate(by_text, [&](std::string_view piece) { streamed += piece; });
  EXPECT_EQ(until_text.finish_reason, FinishReason::kStop);
  EXPECT_EQ(until_text.text, all.text.substr(0, all.text.find(stop)));
  EXPECT_EQ(streamed, until_text.text);
  EXPECT_LT(until_text.ids.size(), all.ids.size());
}

TEST(Generator, EndsWithTheContextAndRefusesMore) {
  Loaded model(Device::cpu(1));
  Generator generator = model.generator();
  const Generation full = generator.generate({.ids = kPrompt, .sampling = {.temperature = 0}});
  EXPECT_EQ(full.finish_reason, FinishReason::kLength);
  EXPECT_TRUE(full.is_context_full);
  EXPECT_EQ(std::ssize(full.ids) + std::ssize(kPrompt), TinyChatModel::kContext);

  GenerationRequest request{.ids = std::vector<int32_t>(TinyChatModel::kContext, 65)};
  EXPECT_NE(message_of([&] { generator.generate(request); }).find("has 192 tokens"), std::string::npos);
  request.ids = {65, TinyChatModel::kVocabSize};
  EXPECT_NE(message_of([&] { generator.generate(request); }).find("token 264 at index 1"), std::string::npos);
  request.ids = {-1};
  EXPECT_NE(message_of([&] { generator.generate(request); }).find("token -1 at index 0"), std::string::npos);
  request.ids = {};
  EXPECT_NE(message_of([&] { generator.generate(request); }).find("empty"), std::string::npos);
  EXPECT_EQ(generator.generate({.ids = kPrompt, .max_new_tokens = 0}).ids.size(), 0u);
}

TEST(Generator, UsesAgainWhatTheCacheHolds) {
  Loaded model(Device::reference());
  Generator generator = model.generator();
  GenerationRequest request{.ids = kPrompt, .sampling = {.temperature = 0}, .max_new_tokens = 12};
  const Generation first = generator.generate(request);
  EXPECT_EQ(first.cached_tokens, 0);
  request.ids.insert(request.ids.end(), first.ids.begin(), first.ids.end());
  request.ids.insert(request.ids.end(), {258, 65, 66});
  const Generation second = generator.generate(request);
  EXPECT_EQ(second.cached_tokens, 8 + 11);  // The last token drawn was never fed.
  const Generation again = generator.generate(request);
  EXPECT_EQ(again.cached_tokens, second.prompt_tokens - 1);
  EXPECT_EQ(again.ids, second.ids);
  request.ids[4] = 66;
  const Generation changed = generator.generate(request);
  EXPECT_EQ(changed.cached_tokens, 4);
  const Generation fresh = model.generator().generate(request);
  EXPECT_EQ(fresh.cached_tokens, 0);
  EXPECT_EQ(fresh.ids, changed.ids);
}

TEST(Generator, CanBeCancelled) {
  Loaded model(Device::cpu(1));
  Generator generator = model.generator();
  std::atomic<bool> is_cancelled = false;
  int pieces = 0;
  GenerationRequest request{
      .ids = kPrompt, .sampling = {.seed = 1}, .max_new_tokens = 100, .is_cancelled = &is_cancelled};
  const Generation some =
      generator.generate(request, [&](std::string_view) { is_cancelled = ++pieces == 5; });
  EXPECT_EQ(some.finish_reason, FinishReason::kCancelled);
  EXPECT_LT(some.ids.size(), 100u);
  is_cancelled = true;
  EXPECT_EQ(generator.generate(request).ids.size(), 0u);
  is_cancelled = false;
  EXPECT_EQ(generator.generate(request).ids.size(), 100u);
}

TEST(Generator, ASeedGivesOneTextOnAnyNumberOfThreads) {
  const GenerationRequest request{
      .ids = kPrompt, .sampling = {.temperature = 0.8, .top_p = 0.95, .seed = 42}, .max_new_tokens = 50};
  std::vector<int32_t> expected;
  for (const int threads : {1, 1, 2, 3, 5}) {
    Loaded model(Device::cpu(threads));
    Generator generator = model.generator();
    const std::vector<int32_t> ids = generator.generate(request).ids;
    if (expected.empty()) expected = ids;
    EXPECT_EQ(ids, expected) << threads << " threads";
  }
}

TEST(Generator, LogProbsAreTheModelsOwn) {
  Loaded model(Device::reference());
  Generator generator = model.generator();
  const Generation result = generator.generate({.ids = kPrompt,
                                                .sampling = {.temperature = 0.5, .top_k = 3, .seed = 9},
                                                .max_new_tokens = 6,
                                                .num_alternatives = 3});
  std::vector<int32_t> all = kPrompt;
  all.insert(all.end(), result.ids.begin(), result.ids.end());
  Scorer scorer(model.llama, model.llama.config().max_positions);
  const std::vector<double> scores = scorer.score(all);
  ASSERT_EQ(result.log_probs.size(), 6u);
  for (size_t i = 0; i < 6; ++i) {
    const Generation::LogProbs& at = result.log_probs[i];
    EXPECT_EQ(at.chosen.id, result.ids[i]);
    EXPECT_NEAR(at.chosen.log_prob, scores[kPrompt.size() - 1 + i], 1e-9);
    ASSERT_EQ(at.likeliest.size(), 3u);
    EXPECT_GE(at.likeliest[0].log_prob, at.likeliest[1].log_prob);
    EXPECT_TRUE(std::any_of(at.likeliest.begin(), at.likeliest.end(),
                            [&](const TokenLogProb& t) { return t.id == at.chosen.id; }));
  }
}

TEST(Scorer, ChunksAndWindowsAgreeWithTheWhole) {
  Loaded model(Device::reference());
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 60; ++i) ids.push_back((i * 37 + i * i) % 256);
  const std::vector<double> whole = Scorer(model.llama, 100).score(ids);
  ASSERT_EQ(whole.size(), 59u);
  EXPECT_EQ(Scorer(model.llama, 60).score_in_windows(ids), whole);

  // Windows of 20 that move by 10: token 25 is in the second half of the window from 10 on.
  const std::vector<double> windowed = Scorer(model.llama, 20).score_in_windows(ids);
  ASSERT_EQ(windowed.size(), 59u);
  const std::vector<double> window = Scorer(model.llama, 20).score(std::span(ids).subspan(10, 20));
  EXPECT_EQ(windowed[24], window[24 - 10]);
  for (size_t i = 0; i < 19; ++i) EXPECT_EQ(windowed[i], whole[i]);

  EXPECT_NE(
      message_of([&] { Scorer(model.llama, 20).score(ids); }).find("60 tokens, and the context holds 20"),
      std::string::npos);
  EXPECT_NE(message_of([&] { Scorer(model.llama, 1); }).find("at least 2"), std::string::npos);
  EXPECT_EQ(Scorer(model.llama, 20).score(std::span(ids).first(1)).size(), 0u);
  EXPECT_EQ(Scorer(model.llama, 2).score_in_windows(ids).size(), 59u);
}

TEST(GeneratorGoldens, GreedyIdsAndScoresOfTransformers) {
  const char* goldens = std::getenv("PORO_GOLDENS");
  if (goldens == nullptr) GTEST_SKIP() << "PORO_GOLDENS does not name the folder of forward.json";
  std::ifstream file(std::string(goldens) + "/forward.json");
  for (const Json& golden : Json::parse(file))
    for (const bool is_reference : {false, true}) {
      const std::string name = golden["model"];
      Loaded model(is_reference ? Device::reference() : Device::cpu(2),
                   std::string(goldens) + "/models/" + name);
      Generator generator = model.generator();
      const GenerationRequest request{
          .ids = golden["greedy_prompt"], .sampling = {.temperature = 0}, .max_new_tokens = 32};
      EXPECT_EQ(generator.generate(request).ids, golden["greedy_32"].get<std::vector<int32_t>>())
          << name << " on " << model.device->name();
      Scorer scorer(model.llama, model.llama.config().max_positions);
      for (size_t row = 0; row < golden["input_ids"].size(); ++row) {
        const std::vector<double> ours = scorer.score(golden["input_ids"][row].get<std::vector<int32_t>>());
        const std::vector<double> theirs = golden["token_logprobs"][row];
        ASSERT_EQ(ours.size(), theirs.size());
        for (size_t i = 0; i < ours.size(); ++i)
          EXPECT_NEAR(ours[i], theirs[i], 1e-4) << name << " row " << row << " token " << i;
      }
    }
}

TEST(GeneratorGoldens, StoriesOfATrainedModel) {
  const char* data = std::getenv("PORO_TEST_DATA");
  if (data == nullptr) GTEST_SKIP() << "PORO_TEST_DATA does not name the folder of weights/stories260K";
  const std::string folder = std::string(data) + "/weights/stories260K";
  std::ifstream file(folder + "/greedy.json");
  const Json golden = Json::parse(file);
  const std::vector<int32_t> expected = golden["greedy_ids"];
  for (const bool is_reference : {false, true}) {
    Loaded model(is_reference ? Device::reference() : Device::cpu(2), folder);
    Generator generator = model.generator();
    const GenerationRequest request{
        .ids = golden["prompt_ids"], .sampling = {.temperature = 0}, .max_new_tokens = std::ssize(expected)};
    EXPECT_EQ(generator.generate(request).ids, expected) << model.device->name();
  }
}

}  // namespace
}  // namespace poro
