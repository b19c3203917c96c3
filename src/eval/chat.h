// What answers conversations: a model in this process or a server behind HTTP. Benchmarks ask it for answers
// and judges for verdicts, and do not know which of the two it is.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace poro {

struct Message {
  std::string role, content;
};

struct ChatRequest {
  std::vector<Message> messages = {};
  std::string text = {};  // To continue as it is, where there are no messages: for models that do not chat.
  std::vector<std::string> stop = {};  // The answer ends before any of these.
  double temperature = 0;
  double top_p = 1;
  int64_t max_new_tokens = 1024;
  uint64_t seed = 0;
  int64_t num_alternatives = 0;  // Over 0: the chances of this many likeliest first tokens are wanted.

  // Everything above: the same request, the same JSON.
  nlohmann::ordered_json json() const;
};

struct ChatReply {
  enum class Status { kAnswered, kFailed };
  struct TokenChance {
    std::string token;
    double log_prob;
  };

  Status status = Status::kAnswered;
  std::string text = {};  // The answer, or one sentence on why there is none.
  std::string finish_reason = {};
  std::vector<TokenChance> first_token = {};
  int64_t prompt_tokens = 0, completion_tokens = 0;

  nlohmann::ordered_json json() const;
  // Throws Error for what `json` did not write.
  static ChatReply from_json(const nlohmann::json& json);
};

class ChatModel {
 public:
  virtual ~ChatModel() = default;

  // Answers every request and calls `on_reply` once for each, in any order but from one thread at a time;
  // what it throws ends the work. A request that cannot be answered gets a reply that failed. The reply is a
  // function of the request, never of the others beside it. Throws Error when nothing more can be answered (a
  // rejected key, a spent budget).
  using OnReply = std::function<void(size_t request, ChatReply reply)>;
  virtual void answer(std::span<const ChatRequest> requests, const OnReply& on_reply) = 0;

  // Everything that determines its answers: name, hashes, settings. Never a secret.
  virtual nlohmann::ordered_json identity() const = 0;
};

}  // namespace poro
