#include "eval/local_chat.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

struct Opened {
  TinyChatModel files;
  std::unique_ptr<Device> device = Device::cpu(1);
  Llama llama = Llama::load(*device, files.path(), {});
  Tokenizer tokenizer = Tokenizer::load(files.path());
  ChatTemplate chat_template = ChatTemplate::load(files.path());

  LocalChat chat(const ChatTemplate* with) {
    return LocalChat({.model = llama,
                      .tokenizer = tokenizer,
                      .chat_template = with,
                      .stop_ids = {TinyChatModel::kEndOfTurn, TinyChatModel::kEndOfText},
                      .context = TinyChatModel::kContext,
                      .identity = {{"name", "tiny"}}});
  }
};

std::vector<ChatReply> answers(LocalChat& chat, const std::vector<ChatRequest>& requests) {
  std::vector<ChatReply> replies(requests.size());
  chat.answer(requests, [&](size_t i, ChatReply reply) { replies[i] = std::move(reply); });
  return replies;
}

TEST(LocalChat, AnAnswerDependsOnItsRequestAlone) {
  Opened opened;
  LocalChat chat = opened.chat(&opened.chat_template);
  const ChatRequest warm{.messages = {{"user", "Hei"}}, .temperature = 0.8, .max_new_tokens = 20, .seed = 3},
      cold{.messages = {{"user", "Hei vaan"}}, .max_new_tokens = 20};
  const auto together = answers(chat, {warm, cold, warm});
  EXPECT_EQ(together[0].text, together[2].text);
  EXPECT_EQ(answers(chat, {cold})[0].text, together[1].text);
  EXPECT_GT(together[0].prompt_tokens, 5);
  ChatRequest other = warm;
  other.seed = 4;
  EXPECT_NE(answers(chat, {other})[0].text, together[0].text);
}

TEST(LocalChat, GivesTheOddsOfTheFirstToken) {
  Opened opened;
  LocalChat chat = opened.chat(&opened.chat_template);
  const auto reply = answers(
      chat,
      {{.messages = {{"user", "m or M?"}}, .temperature = 1, .max_new_tokens = 1, .num_alternatives = 5}})[0];
  ASSERT_EQ(reply.first_token.size(), 5u);
  for (size_t i = 1; i < 5; ++i) EXPECT_LE(reply.first_token[i].log_prob, reply.first_token[i - 1].log_prob);
  EXPECT_LT(reply.first_token[0].log_prob, 0);
}

TEST(LocalChat, ContinuesPlainTextWithoutATemplate) {
  Opened opened;
  LocalChat chat = opened.chat(nullptr);
  EXPECT_EQ(answers(chat, {{.text = "abc", .max_new_tokens = 4}})[0].status, ChatReply::Status::kAnswered);
  EXPECT_THROW(answers(chat, {{.messages = {{"user", "Hei"}}}}), Error);
}

TEST(LocalChat, WhatDoesNotFitFailsAndTheRestGoesOn) {
  Opened opened;
  LocalChat chat = opened.chat(&opened.chat_template);
  const auto replies = answers(chat, {{.messages = {{"user", std::string(300, 'x')}}},
                                      {.messages = {{"user", "x"}}, .max_new_tokens = 2}});
  EXPECT_EQ(replies[0].status, ChatReply::Status::kFailed);
  EXPECT_NE(replies[0].text.find("context is 192"), std::string::npos) << replies[0].text;
  EXPECT_EQ(replies[1].status, ChatReply::Status::kAnswered);
}

}  // namespace
}  // namespace poro
