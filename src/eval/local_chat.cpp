#include "eval/local_chat.h"

#include <unordered_map>

#include "base/error.h"

namespace poro {
namespace {

// Templates that print today's date would give other prompts tomorrow; this is the date that Llama 3.1's
// prints.
constexpr const char* kDate = "26 Jul 2024";

}  // namespace

LocalChat::LocalChat(Parts parts)
    : parts_(std::move(parts)), engine_(parts_.model, &parts_.tokenizer, {.context = parts_.context}) {}

std::vector<int32_t> LocalChat::prompt_ids(const ChatRequest& request) const {
  std::string text = request.text;
  if (!request.messages.empty()) {
    if (parts_.chat_template == nullptr)
      fail("the model has no chat template, so it cannot answer a conversation; choose a chat model");
    TemplateInput input;
    input.messages = request.json()["messages"];
    input.add_generation_prompt = true;
    input.variables = {{"date_string", kDate}};
    text = parts_.chat_template->render(input).text;
  }
  std::vector<int32_t> ids = parts_.tokenizer.encode(text);
  const std::optional<int32_t> bos = parts_.tokenizer.bos_id();
  if (request.messages.empty() && bos && (ids.empty() || ids.front() != *bos)) ids.insert(ids.begin(), *bos);
  return ids;
}

GenerationRequest LocalChat::generation_request(const ChatRequest& request) const {
  GenerationRequest wanted{.ids = prompt_ids(request)};
  wanted.sampling.temperature = request.temperature;
  wanted.sampling.top_p = request.top_p;
  wanted.sampling.seed = request.seed;
  wanted.max_new_tokens = request.max_new_tokens;
  wanted.stop_ids = parts_.stop_ids;
  wanted.stop_strings = request.stop;
  if (request.num_alternatives > 0) wanted.num_alternatives = request.num_alternatives;
  return wanted;
}

ChatReply LocalChat::reply(const Engine::Finished& finished) const {
  if (!finished.error.empty()) return {.status = ChatReply::Status::kFailed, .text = finished.error};
  const Generation& generation = finished.generation;
  ChatReply reply{.text = generation.text,
                  .finish_reason = generation.finish_reason == FinishReason::kStop ? "stop" : "length",
                  .first_token = {},
                  .prompt_tokens = generation.prompt_tokens,
                  .completion_tokens = std::ssize(generation.ids)};
  if (!generation.log_probs.empty())
    for (const TokenLogProb& token : generation.log_probs[0].likeliest)
      if (token.id < parts_.tokenizer.vocab_size())
        reply.first_token.push_back(
            {.token = parts_.tokenizer.decode({&token.id, 1}), .log_prob = token.log_prob});
  return reply;
}

void LocalChat::answer(std::span<const ChatRequest> requests, const OnReply& on_reply) {
  std::unordered_map<int64_t, size_t> places;  // Of requests, by the engine's numbers.
  for (size_t i = 0; i < requests.size(); ++i) {
    GenerationRequest request = generation_request(requests[i]);
    if (std::ssize(request.ids) >= parts_.context)
      on_reply(i, {.status = ChatReply::Status::kFailed,
                   .text = fmt::format("the prompt has {} tokens, and the model's context is {}",
                                       request.ids.size(), parts_.context)});
    else
      places[engine_.submit(std::move(request))] = i;
  }
  while (!engine_.is_idle())
    for (const Engine::Finished& finished : engine_.step())
      on_reply(places.at(finished.number), reply(finished));
}

}  // namespace poro
