#include "eval/chat.h"

#include "base/error.h"

namespace poro {

nlohmann::ordered_json ChatRequest::json() const {
  nlohmann::ordered_json conversation = nlohmann::ordered_json::array();
  for (const Message& message : messages)
    conversation.push_back({{"role", message.role}, {"content", message.content}});
  return {{"messages", conversation},
          {"text", text},
          {"stop", stop},

          {"temperature", temperature},
          {"top_p", top_p},
          {"max_new_tokens", max_new_tokens},
          {"seed", seed},
          {"num_alternatives", num_alternatives}};
}

nlohmann::ordered_json ChatReply::json() const {
  nlohmann::ordered_json chances = nlohmann::ordered_json::array();
  for (const TokenChance& chance : first_token) chances.push_back({chance.token, chance.log_prob});
  return {{"status", status == Status::kAnswered ? "answered" : "failed"},
          {"text", text},
          {"finish_reason", finish_reason},
          {"first_token", chances},
          {"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens}};
}

ChatReply ChatReply::from_json(const nlohmann::json& json) {
  try {
    ChatReply reply{.status = json.at("status") == "answered" ? Status::kAnswered : Status::kFailed,
                    .text = json.at("text"),
                    .finish_reason = json.at("finish_reason"),
                    .first_token = {},
                    .prompt_tokens = json.at("prompt_tokens"),
                    .completion_tokens = json.at("completion_tokens")};
    for (const nlohmann::json& chance : json.at("first_token"))
      reply.first_token.push_back({.token = chance.at(0), .log_prob = chance.at(1)});
    return reply;
  } catch (const nlohmann::json::exception&) {
    fail("a stored reply is not as this program writes it; was the file changed by hand?");
  }
}

}  // namespace poro
