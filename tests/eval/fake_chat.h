// A model for tests: its answer is a function of the request, it counts what it is asked, and it can fail.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "eval/chat.h"

namespace poro {

class FakeChat : public ChatModel {
 public:
  using Answer = std::function<ChatReply(const ChatRequest&)>;
  explicit FakeChat(Answer answer) : answer_(std::move(answer)) {}
  explicit FakeChat(std::string text)
      : answer_([text](const ChatRequest&) { return ChatReply{.text = text}; }) {}

  void answer(std::span<const ChatRequest> requests, const OnReply& on_reply) override {
    for (size_t i = requests.size(); i-- > 0;) {  // Backwards: nobody may rely on an order.
      asked.push_back(requests[i]);
      on_reply(i, answer_(requests[i]));
    }
  }
  nlohmann::ordered_json identity() const override { return {{"kind", "fake"}}; }

  std::vector<ChatRequest> asked;

 private:
  Answer answer_;
};

inline ChatReply failed(const std::string& why) {
  return {.status = ChatReply::Status::kFailed, .text = why};
}

}  // namespace poro
