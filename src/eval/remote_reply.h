// The OpenAI API on the wire: requests as JSON, replies from JSON, and what a refusal means for going on.
#pragma once

#include <optional>
#include <string>

#include "base/http.h"
#include "eval/chat.h"

namespace poro {

// The body of a request to /chat/completions, or to /completions where the request is plain text.
std::string request_body(const std::string& model, const ChatRequest& request);

// Whether a body is a completion at all: JSON with a first choice.
bool is_whole_reply(const std::string& body);
// The reply in a body; nothing when it is no completion. A model that refuses has failed.
std::optional<ChatReply> read_reply(const std::string& body, const ChatRequest& request);

// What a status other than 2xx means.
struct Refusal {
  enum class Kind { kForNow, kForThis, kForAll };  // Try again; this request fails; every request would.
  Kind kind;
  std::string sentence;  // "answers 429 (rate limit reached)"
};
Refusal classify(const HttpResponse& response);

}  // namespace poro
