// A model behind an OpenAI-compatible server: several requests at once, at a limited rate, tried again with
// growing waits where that may help, remembered on disk, and never past a budget of tokens.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/http.h"
#include "eval/chat.h"
#include "eval/reply_cache.h"
#include "eval/token_budget.h"

namespace poro {

struct RemoteOptions {
  std::string url;                // Up to and without "/chat/completions": "https://host/v1".
  std::string name;               // What the server calls the model.
  std::string key = {};           // Sent as the bearer token; empty for none. Never written anywhere.
  std::string key_variable = {};  // Where it came from, for errors.
  int concurrency = 8;
  double requests_per_minute = 0;  // 0: as fast as it goes.
  int max_attempts = 6;
  std::chrono::seconds timeout{600};           // Of one attempt without a byte.
  std::chrono::milliseconds first_wait{1000};  // Before the second attempt; doubles from there to a minute.
  int64_t token_budget = 0;                    // For prompts and answers together; 0: none.
  std::filesystem::path cache = {};            // Empty: none.
};

class RemoteChat : public ChatModel {
 public:
  // Throws Error for options that make no sense.
  explicit RemoteChat(RemoteOptions options);

  // Throws Error when the server cannot be reached at all, the key is rejected, the model is unknown, the
  // quota or the budget is spent.
  void answer(std::span<const ChatRequest> requests, const OnReply& on_reply) override;
  nlohmann::ordered_json identity() const override;

  // What this object has asked for.
  struct Usage {
    int64_t tokens = 0, requests = 0, retries = 0, from_cache = 0;
  };
  Usage usage() const;

 private:
  class Work;

  ChatReply ask(HttpClient& client, const ChatRequest& request, Work& work);
  ChatReply ask_server(HttpClient& client, const std::string& endpoint, const std::string& body, Work& work);
  std::chrono::milliseconds retry_wait(const HttpResponse& response, int attempt) const;
  void wait_for_slot(Work& work);

  RemoteOptions options_;
  TokenBudget budget_;
  std::optional<ReplyCache> cache_;
  mutable std::mutex mutex_;
  std::chrono::steady_clock::time_point next_slot_{};
  Usage usage_;
  std::atomic<bool> is_reachable_{false};  // It has answered once, whatever it said.
};

}  // namespace poro
