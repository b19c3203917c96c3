// The client of judges' servers against a server that misbehaves in every way we know of.
#include "eval/remote_chat.h"

#include <map>

#include "tests/eval/eval_data.h"
#include "tests/eval/test_server.h"

namespace poro {
namespace {

RemoteOptions options_for(const TestServer& server) {
  return {.url = server.url(),
          .name = "judge-1",
          .key = "secret-key",
          .key_variable = "JUDGE_KEY",
          .timeout = std::chrono::seconds(5),
          .first_wait = std::chrono::milliseconds(5)};
}

std::vector<ChatRequest> questions(size_t count) {
  std::vector<ChatRequest> requests;
  for (size_t i = 0; i < count; ++i)
    requests.push_back({.messages = {{"user", "Question " + std::to_string(i)}}, .max_new_tokens = 50});
  return requests;
}

std::vector<ChatReply> answers(RemoteChat& chat, const std::vector<ChatRequest>& requests) {
  std::vector<ChatReply> replies(requests.size());
  std::vector<int> times(requests.size());
  chat.answer(requests, [&](size_t i, ChatReply reply) {
    replies[i] = std::move(reply);
    ++times[i];
  });
  for (const int count : times) EXPECT_EQ(count, 1);
  return replies;
}

std::string content_of(const TestServer::Request& request) {
  return request.body["messages"].back()["content"];
}

TEST(RemoteChat, AsksAsTheApiWantsAndKeepsRequestsApart) {
  TestServer server([](const auto& request) {
    return TestServer::Response{.body = TestServer::completion("On " + content_of(request)), .delay_ms = 30};
  });
  RemoteOptions options = options_for(server);
  options.concurrency = 4;
  RemoteChat chat(options);
  const auto replies = answers(chat, questions(12));
  for (size_t i = 0; i < replies.size(); ++i) EXPECT_EQ(replies[i].text, "On Question " + std::to_string(i));
  EXPECT_EQ(replies[0].finish_reason, "stop");
  EXPECT_EQ(chat.usage().tokens, 12 * 15);
  EXPECT_GT(server.most_at_once(), 1);
  EXPECT_LE(server.most_at_once(), 4);
  const auto seen = server.seen();
  EXPECT_EQ(seen[0].path, "/v1/chat/completions");
  EXPECT_NE(seen[0].headers.find("Authorization: Bearer secret-key"), std::string::npos);
  EXPECT_EQ(seen[0].body["model"], "judge-1");
  EXPECT_EQ(seen[0].body["temperature"], 0.0);
  EXPECT_EQ(seen[0].body["max_tokens"], 50);
  EXPECT_FALSE(seen[0].body.contains("logprobs"));
}

TEST(RemoteChat, ReadsTheOddsOfTheFirstToken) {
  TestServer server([](const auto&) {
    return TestServer::Response{.body =
                                    R"({"choices": [{"message": {"content": "m"}, "finish_reason": "length",
        "logprobs": {"content": [{"token": "m", "top_logprobs": [{"token": "m", "logprob": -0.1}, {"token": "M", "logprob": -2.5}]}]}}]})"};
  });
  RemoteChat chat(options_for(server));
  ChatRequest request{
      .messages = {{"user", "m or M?"}}, .temperature = 1, .max_new_tokens = 1, .num_alternatives = 5};
  const ChatReply reply = answers(chat, {request})[0];
  ASSERT_EQ(reply.first_token.size(), 2u);
  EXPECT_EQ(reply.first_token[1].token, "M");
  EXPECT_EQ(reply.first_token[1].log_prob, -2.5);
  EXPECT_EQ(server.seen()[0].body["top_logprobs"], 5);
  EXPECT_EQ(server.seen()[0].body["logprobs"], true);
}

TEST(RemoteChat, PlainTextGoesToCompletions) {
  TestServer server(
      [](const auto&) { return TestServer::Response{.body = R"({"choices": [{"text": " Helsinki"}]})"}; });
  RemoteChat chat(options_for(server));
  EXPECT_EQ(answers(chat, {{.text = "The capital is", .stop = {"\n"}}})[0].text, " Helsinki");
  EXPECT_EQ(server.seen()[0].path, "/v1/completions");
  EXPECT_EQ(server.seen()[0].body["prompt"], "The capital is");
  EXPECT_EQ(server.seen()[0].body["stop"][0], "\n");
}

TEST(RemoteChat, TriesAgainWhatPasses) {
  TestServer server([](const auto& request) -> TestServer::Response {
    switch (request.number) {
      case 0:
        return {
            .status = 429, .body = R"({"error": {"message": "slow down"}})", .headers = "Retry-After: 0\r\n"};
      case 1:
        return {.status = 503, .body = "busy"};
      case 2:
        return {.hangs_up = true};
      case 3:
        return {.body = "<html>not JSON"};
      case 4:
        return {.body = R"({"choices": []})"};
      default:
        return {.body = TestServer::completion("at last")};
    }
  });
  RemoteChat chat(options_for(server));
  EXPECT_EQ(answers(chat, questions(1))[0].text, "at last");
  EXPECT_EQ(server.seen().size(), 6u);
  EXPECT_GE(chat.usage().retries,
            4);  // libcurl itself repeats a request on a kept connection that was closed.
}

TEST(RemoteChat, AfterTheLastAttemptTheRequestHasFailedAndTheOthersHaveNot) {
  TestServer server([](const auto& request) -> TestServer::Response {
    if (content_of(request) == "Question 1") return {.status = 500, .body = "broken"};
    return {.body = TestServer::completion("fine")};
  });
  RemoteOptions options = options_for(server);
  options.max_attempts = 3;
  RemoteChat chat(options);
  const auto replies = answers(chat, questions(3));
  EXPECT_EQ(replies[0].text, "fine");
  EXPECT_EQ(replies[1].status, ChatReply::Status::kFailed);
  EXPECT_NE(replies[1].text.find("answers 500"), std::string::npos) << replies[1].text;
  EXPECT_EQ(replies[2].text, "fine");
  EXPECT_EQ(server.seen().size(), 5u);
}

TEST(RemoteChat, ASilentServerTimesOut) {
  TestServer server([](const auto& request) -> TestServer::Response {
    if (request.number == 0) return {.body = TestServer::completion("awake")};
    return {.body = "x", .delay_ms = 20000};
  });
  RemoteOptions options = options_for(server);
  options.timeout = std::chrono::seconds(1);
  options.max_attempts = 1;
  options.concurrency = 1;
  RemoteChat chat(options);
  const ChatReply reply = answers(chat, questions(2))[1];
  EXPECT_EQ(reply.status, ChatReply::Status::kFailed);
  EXPECT_NE(reply.text.find("no answer from the server"), std::string::npos) << reply.text;
}

TEST(RemoteChat, AServerThatIsNotThereStopsEverything) {
  RemoteOptions options{
      .url = "http://127.0.0.1:1/v1", .name = "m", .first_wait = std::chrono::milliseconds(1)};
  RemoteChat chat(options);
  EXPECT_THROW(answers(chat, questions(100)), Error);
}

TEST(RemoteChat, RefusalsFailAndAreNotTriedAgain) {
  TestServer server([](const auto& request) -> TestServer::Response {
    switch (request.number) {
      case 0:
        return {.status = 400, .body = R"({"error": {"message": "content policy"}})"};
      case 1:
        return {.body = R"({"choices": [{"message": {"content": null, "refusal": "I will not."}}]})"};
      default:
        return {.body = R"({"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]})"};
    }
  });
  RemoteOptions options = options_for(server);
  options.concurrency = 1;
  RemoteChat chat(options);
  for (const ChatReply& reply : answers(chat, questions(3)))
    EXPECT_EQ(reply.status, ChatReply::Status::kFailed);
  EXPECT_EQ(server.seen().size(), 3u);
}

TEST(RemoteChat, ARejectedKeyStopsEverythingAndIsNeverShown) {
  TestServer server([](const auto&) {
    return TestServer::Response{.status = 401,
                                .body = R"({"error": {"message": "Incorrect key secret-key"}})"};
  });
  RemoteChat chat(options_for(server));
  try {
    answers(chat, questions(20));
    FAIL();
  } catch (const Error& error) {
    const std::string sentence = error.what();
    EXPECT_NE(sentence.find("401"), std::string::npos) << sentence;
    EXPECT_NE(sentence.find("JUDGE_KEY"), std::string::npos) << sentence;
    EXPECT_EQ(sentence.find("secret-key"), std::string::npos) << sentence;
  }
  EXPECT_LE(server.seen().size(), 8u);
  EXPECT_EQ(chat.identity().dump().find("secret-key"), std::string::npos);
}

TEST(RemoteChat, TheCacheAnswersTheSameRequestAndNoOther) {
  const TemporaryFolder folder;
  TestServer server([](const auto& request) {
    return TestServer::Response{.body = TestServer::completion("reply " + std::to_string(request.number))};
  });
  RemoteOptions options = options_for(server);
  options.cache = folder.path() / "cache/replies.sqlite";
  options.concurrency = 1;
  const ChatRequest request = questions(1)[0];
  EXPECT_EQ(answers(*std::make_unique<RemoteChat>(options), {request})[0].text, "reply 0");
  RemoteChat again(options);
  EXPECT_EQ(answers(again, {request})[0].text, "reply 0");
  EXPECT_EQ(again.usage().from_cache, 1);
  EXPECT_EQ(again.usage().tokens, 0);
  ChatRequest warmer = request;
  warmer.temperature = 0.1;
  EXPECT_EQ(answers(again, {warmer})[0].text, "reply 1");
  options.name = "judge-2";
  EXPECT_EQ(answers(*std::make_unique<RemoteChat>(options), {request})[0].text, "reply 2");
  EXPECT_EQ(read_file(options.cache).find("secret-key"), std::string::npos);
}

TEST(RemoteChat, FailuresAreNotCached) {
  const TemporaryFolder folder;
  TestServer server([](const auto& request) -> TestServer::Response {
    if (request.number == 0) return {.body = R"({"choices": [{"message": {"content": null}}]})"};
    return {.body = TestServer::completion("now")};
  });
  RemoteOptions options = options_for(server);
  options.cache = folder.path() / "replies.sqlite";
  RemoteChat chat(options);
  EXPECT_EQ(answers(chat, questions(1))[0].status, ChatReply::Status::kFailed);
  EXPECT_EQ(answers(chat, questions(1))[0].text, "now");
}

TEST(RemoteChat, ABrokenCacheIsASentence) {
  const TemporaryFolder folder;
  TestServer server([](const auto&) { return TestServer::Response{}; });
  RemoteOptions options = options_for(server);
  options.cache = folder.write("replies.sqlite", std::string(5000, 'x'));
  EXPECT_THROW(RemoteChat{options}, Error);
}

TEST(RemoteChat, TheBudgetIsNeverPassed) {
  TestServer server(
      [](const auto&) { return TestServer::Response{.body = TestServer::completion("ok"), .delay_ms = 5}; });
  RemoteOptions options = options_for(server);
  options.token_budget = 300;  // A request may take 10 + 16 + 50 tokens and takes 15.
  RemoteChat chat(options);
  size_t num_answered = 0;
  EXPECT_THROW(chat.answer(questions(100), [&](size_t, ChatReply) { ++num_answered; }), Error);
  EXPECT_LE(chat.usage().tokens, 300);
  EXPECT_GE(num_answered, 14u);  // Until less than one request's worth is left.
  EXPECT_EQ(num_answered, server.seen().size());
}

TEST(RemoteChat, TheRateIsLimited) {
  TestServer server([](const auto&) { return TestServer::Response{.body = TestServer::completion("ok")}; });
  RemoteOptions options = options_for(server);
  options.requests_per_minute = 1200;  // One every 50 ms.
  RemoteChat chat(options);
  const auto start = std::chrono::steady_clock::now();
  answers(chat, questions(6));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(250));
}

TEST(RemoteChat, WhatTheReceiverThrowsEndsTheWork) {
  TestServer server([](const auto&) { return TestServer::Response{.body = TestServer::completion("ok")}; });
  RemoteChat chat(options_for(server));
  EXPECT_THROW(chat.answer(questions(200), [](size_t, ChatReply) { fail("the disk is full"); }), Error);
  EXPECT_LT(server.seen().size(), 200u);
}

TEST(RemoteChat, OptionsThatMakeNoSenseAreErrors) {
  EXPECT_THROW(RemoteChat({.url = "localhost:8000/v1", .name = "m"}), Error);
  EXPECT_THROW(RemoteChat({.url = "http://localhost:8000/v1", .name = ""}), Error);
  EXPECT_THROW(RemoteChat({.url = "http://localhost:8000/v1", .name = "m", .concurrency = 0}), Error);
}

}  // namespace
}  // namespace poro
