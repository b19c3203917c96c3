#include "eval/remote_reply.h"

#include "base/json.h"

namespace poro {
namespace {

using Json = nlohmann::json;

const Json* first_choice(const Json& body) {
  if (!body.is_object()) return nullptr;
  const auto choices = body.find("choices");
  if (choices == body.end() || !choices->is_array() || choices->empty() || !choices->front().is_object())
    return nullptr;
  return &choices->front();
}

// A member of a member ..., or null.
const Json& at(const Json& json, std::initializer_list<const char*> path) {
  static const Json kNull;
  const Json* here = &json;
  for (const char* name : path) {
    if (!here->is_object() || !here->contains(name)) return kNull;
    here = &(*here)[name];
  }
  return *here;
}

std::string text_of(const Json& json) {
  return json.is_string() ? json.get<std::string>() : "";
}

int64_t count_of(const Json& json) {
  return json.is_number_integer() ? json.get<int64_t>() : 0;
}

// The chances of the first token: chat completions give a list of objects, plain ones an object.
std::vector<ChatReply::TokenChance> first_token(const Json& choice) {
  std::vector<ChatReply::TokenChance> chances;
  const Json& content = at(choice, {"logprobs", "content"});
  const Json& plain = at(choice, {"logprobs", "top_logprobs"});
  if (content.is_array() && !content.empty() && at(content[0], {"top_logprobs"}).is_array()) {
    for (const Json& top : content[0]["top_logprobs"])
      if (at(top, {"token"}).is_string() && at(top, {"logprob"}).is_number())
        chances.push_back({.token = top["token"], .log_prob = top["logprob"]});
  } else if (plain.is_array() && !plain.empty() && plain[0].is_object()) {
    for (const auto& [token, log_prob] : plain[0].items())
      if (log_prob.is_number()) chances.push_back({.token = token, .log_prob = log_prob});
  }
  return chances;
}

}  // namespace

std::string request_body(const std::string& model, const ChatRequest& request) {
  nlohmann::ordered_json body = {{"model", model}};
  const bool is_chat = !request.messages.empty();
  if (is_chat) {
    body["messages"] = Json::array();
    for (const Message& message : request.messages)
      body["messages"].push_back({{"role", message.role}, {"content", message.content}});
  } else {
    body["prompt"] = request.text;
  }
  body["temperature"] = request.temperature;
  if (request.top_p != 1) body["top_p"] = request.top_p;
  body["max_tokens"] = request.max_new_tokens;
  if (request.temperature > 0 && request.num_alternatives == 0) body["seed"] = request.seed;
  if (!request.stop.empty()) body["stop"] = request.stop;
  if (request.num_alternatives > 0) {
    body["logprobs"] =
        is_chat ? nlohmann::ordered_json(true) : nlohmann::ordered_json(request.num_alternatives);
    if (is_chat) body["top_logprobs"] = request.num_alternatives;
  }
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

bool is_whole_reply(const std::string& body) {
  return first_choice(Json::parse(body, nullptr, false)) != nullptr;
}

std::optional<ChatReply> read_reply(const std::string& body, const ChatRequest& request) {
  const Json json = Json::parse(body, nullptr, false);
  const Json* choice = first_choice(json);
  if (choice == nullptr) return std::nullopt;
  const Json& content =
      request.messages.empty() ? at(*choice, {"text"}) : at(*choice, {"message", "content"});
  ChatReply reply{.text = text_of(content),
                  .finish_reason = text_of(at(*choice, {"finish_reason"})),
                  .first_token = first_token(*choice),
                  .prompt_tokens = count_of(at(json, {"usage", "prompt_tokens"})),
                  .completion_tokens = count_of(at(json, {"usage", "completion_tokens"}))};
  const std::string refusal = text_of(at(*choice, {"message", "refusal"}));
  if (!content.is_string() || !refusal.empty() || reply.finish_reason == "content_filter") {
    reply.status = ChatReply::Status::kFailed;
    reply.text = "the model refused" + (refusal.empty() ? "" : ": " + quote(refusal));
  }
  return reply;
}

Refusal classify(const HttpResponse& response) {
  using Kind = Refusal::Kind;
  const Json body = Json::parse(response.error_body, nullptr, false);
  std::string message = text_of(at(body, {"error", "message"}));
  if (message.empty()) message = response.error_body;
  const std::string code = text_of(at(body, {"error", "code"}));
  const int status = response.status;
  Kind kind = Kind::kForThis;
  if (status == 401 || status == 403 || status == 404 || status / 100 == 3 || code == "insufficient_quota")
    kind = Kind::kForAll;
  else if (status == 408 || status == 409 || status == 425 || status == 429 || status / 100 == 5)
    kind = Kind::kForNow;
  const char* meaning = status == 401 || status == 403 ? ", it does not accept the key"
                        : status == 404                ? ", it does not know the model or the path"
                                                       : "";
  return {.kind = kind, .sentence = fmt::format("answers {}{} ({})", status, meaning, quote(message))};
}

}  // namespace poro
