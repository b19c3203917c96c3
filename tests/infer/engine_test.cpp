#include "infer/engine.h"

#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "infer/generator.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

constexpr int64_t kContext = TinyChatModel::kContext;

std::vector<int32_t> prompt(int32_t seed, int64_t length) {
  std::vector<int32_t> ids = {TinyChatModel::kBos};
  for (int64_t i = 1; i < length; ++i) ids.push_back((seed * 31 + static_cast<int32_t>(i) * 7) % 256);
  return ids;
}

// Requests of every kind: short and long, greedy and drawn, that end by length, id or text.
std::vector<GenerationRequest> mixed_requests() {
  std::vector<GenerationRequest> requests;
  for (int32_t i = 0; i < 21; ++i) {
    GenerationRequest request{.ids = prompt(i, 1 + i * 6), .max_new_tokens = 1 + (i * 17) % 50};
    if (i % 3 != 0)
      request.sampling = {.temperature = 0.9, .top_p = 0.95, .seed = static_cast<uint64_t>(i)};
    else
      request.sampling = {.temperature = 0};
    if (i % 4 == 0) request.sampling.repetition_penalty = 1.2;
    if (i % 5 == 0) request.stop_ids = {10, 40, 90, 160, 200};
    if (i % 6 == 0) request.stop_strings = {"a", "e"};
    request.num_alternatives = 2;
    requests.push_back(request);
  }
  return requests;
}

void expect_same(const Generation& a, const Generation& b, const std::string& what) {
  EXPECT_EQ(a.ids, b.ids) << what;
  EXPECT_EQ(a.text, b.text) << what;
  EXPECT_EQ(a.finish_reason, b.finish_reason) << what;
  ASSERT_EQ(a.log_probs.size(), b.log_probs.size()) << what;
  for (size_t i = 0; i < a.log_probs.size(); ++i) {
    EXPECT_EQ(a.log_probs[i].chosen.log_prob, b.log_probs[i].chosen.log_prob) << what << ", token " << i;
    EXPECT_EQ(a.log_probs[i].likeliest[1].log_prob, b.log_probs[i].likeliest[1].log_prob) << what;
  }
}

std::map<int64_t, Engine::Finished> run_all(Engine& engine) {
  std::map<int64_t, Engine::Finished> done;
  while (!engine.is_idle())
    for (Engine::Finished& finished : engine.step()) done[finished.number] = std::move(finished);
  return done;
}

TEST(Engine, AnAnswerIsTheSameToTheLastBitWhateverIsBesideIt) {
  const TinyChatModel files;
  const Tokenizer tokenizer = Tokenizer::load(files.path());
  const std::vector<GenerationRequest> requests = mixed_requests();
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kI8, DType::kI4}) {
    const auto device = Device::cpu(1);
    Llama llama = Llama::load(*device, files.path(), {.weights = dtype});
    std::vector<Generation> alone;
    for (const GenerationRequest& request : requests)
      alone.push_back(Generator(llama, &tokenizer, kContext).generate(request));
    for (const int64_t sequences : {1, 3, 8}) {
      Engine engine(llama, &tokenizer, {.context = kContext, .sequences = sequences});
      for (const GenerationRequest& request : requests) engine.submit(request);
      const auto done = run_all(engine);
      ASSERT_EQ(done.size(), requests.size());
      for (size_t i = 0; i < requests.size(); ++i)
        expect_same(done.at(static_cast<int64_t>(i)).generation, alone[i],
                    fmt::format("{} weights, {} sequences, request {}", dtype_name(dtype), sequences, i));
    }
  }
}

TEST(Engine, RequestsThatComeLaterJoinThoseThatAreThere) {
  const TinyChatModel files;
  const auto device = Device::cpu(1);
  Llama llama = Llama::load(*device, files.path(), {});
  Engine engine(llama, nullptr, {.context = kContext});
  const int64_t first = engine.submit({.ids = prompt(1, 4), .max_new_tokens = 30});
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(engine.step().empty());
  const int64_t second = engine.submit({.ids = prompt(2, 4), .max_new_tokens = 3});
  std::vector<int64_t> order;
  while (!engine.is_idle())
    for (const Engine::Finished& finished : engine.step()) order.push_back(finished.number);
  EXPECT_EQ(order, (std::vector<int64_t>{second, first}));
}

TEST(Engine, WhatIsCancelledEndsAndTheOthersGoOn) {
  const TinyChatModel files;
  const auto device = Device::cpu(1);
  Llama llama = Llama::load(*device, files.path(), {});
  Engine engine(llama, nullptr, {.context = kContext, .sequences = 2});
  std::vector<int64_t> numbers;
  for (int32_t i = 0; i < 4; ++i)
    numbers.push_back(engine.submit({.ids = prompt(i, 5), .max_new_tokens = 20}));
  for (int i = 0; i < 5; ++i) engine.step();
  engine.cancel(numbers[0]);  // Begun.
  engine.cancel(numbers[3]);  // Still waiting.
  auto done = run_all(engine);
  EXPECT_EQ(done.at(numbers[0]).generation.finish_reason, FinishReason::kCancelled);
  EXPECT_GT(done.at(numbers[0]).generation.ids.size(), 0u);
  EXPECT_EQ(done.at(numbers[3]).generation.finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(done.at(numbers[3]).generation.ids.size(), 0u);
  EXPECT_EQ(done.at(numbers[1]).generation.ids.size(), 20u);
  EXPECT_EQ(done.at(numbers[2]).generation.ids.size(), 20u);
}

// The cache has fewer positions than all contexts together: those that would not fit wait, and none starves.
TEST(Engine, LongRequestsWaitForRoom) {
  const TinyChatModel files({.context = 16384});
  const auto device = Device::cpu(1);
  Llama llama = Llama::load(*device, files.path(), {});
  Engine engine(llama, nullptr, {.context = 16384, .sequences = 4});
  for (int32_t i = 0; i < 6; ++i)
    engine.submit(
        {.ids = prompt(i, 3),
         .max_new_tokens = i % 2 == 0 ? 4 : 7000,
         .stop_ids = i == 5 ? std::vector<int32_t>{}
                            : std::vector<int32_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}});
  engine.cancel(5);
  const auto done = run_all(engine);
  ASSERT_EQ(done.size(), 6u);
  for (int64_t i = 0; i < 5; ++i) EXPECT_GT(done.at(i).generation.ids.size(), 0u);
}

TEST(Engine, BadRequestsAreRefusedAndBadLogitsAreOneAnswersError) {
  const auto device = Device::cpu(1);
  LlamaConfig config = LlamaConfig::named_shape("tiny");
  config.vocab_size = TinyChatModel::kVocabSize;
  Llama llama = Llama::random(*device, config, DType::kF32, 5);
  Engine engine(llama, nullptr, {.context = kContext});
  EXPECT_THROW(engine.submit({.ids = {}}), Error);
  EXPECT_THROW(engine.submit({.ids = {TinyChatModel::kVocabSize}}), Error);
  EXPECT_THROW(engine.submit({.ids = prompt(1, kContext)}), Error);
  EXPECT_TRUE(engine.is_idle());
  // The embedding of token 200 is no number.
  const Tensor embedding = llama.weights().embedding;
  store_element(embedding, 200 * llama.config().hidden_size, std::numeric_limits<double>::quiet_NaN());
  const int64_t bad = engine.submit({.ids = {TinyChatModel::kBos, 200}, .max_new_tokens = 5});
  const int64_t good =
      engine.submit({.ids = {TinyChatModel::kBos, 65}, .sampling = {.temperature = 0}, .max_new_tokens = 1});
  const auto done = run_all(engine);
  EXPECT_NE(done.at(bad).error, "");
  EXPECT_EQ(done.at(good).error, "");
  EXPECT_EQ(done.at(good).generation.ids.size(), 1u);
}

}  // namespace
}  // namespace poro
