// A model in this process, answering several requests together; an answer depends on its own request alone
// (infer/engine.h).
#pragma once

#include <cstdint>
#include <vector>

#include "eval/chat.h"
#include "infer/engine.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace poro {

class LocalChat : public ChatModel {
 public:
  struct Parts {
    Llama& model;
    const Tokenizer& tokenizer;
    const ChatTemplate* chat_template;  // Null: the model only continues text.
    std::vector<int32_t> stop_ids;      // End an answer.
    int64_t context;
    nlohmann::ordered_json identity;
  };
  explicit LocalChat(Parts parts);

  // A request that does not fit the context fails. Throws Error for a conversation where there is no
  // template.
  void answer(std::span<const ChatRequest> requests, const OnReply& on_reply) override;
  nlohmann::ordered_json identity() const override { return parts_.identity; }

 private:
  std::vector<int32_t> prompt_ids(const ChatRequest& request) const;
  GenerationRequest generation_request(const ChatRequest& request) const;
  ChatReply reply(const Engine::Finished& finished) const;

  Parts parts_;
  Engine engine_;
};

}  // namespace poro
