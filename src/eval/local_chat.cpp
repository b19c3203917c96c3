#include "eval/local_chat.h"

#include "base/error.h"

namespace poro {
namespace {

// Templates that print today's date would give other prompts tomorrow; this is the date that Llama 3.1's
// prints.
constexpr const char* kDate = "26 Jul 2024";

}  // namespace

LocalChat::LocalChat(Parts parts)
    : parts_(std::move(parts)), generator_(parts_.model, &parts_.tokenizer, parts_.context) {}

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

void LocalChat::answer(std::span<const ChatRequest> requests, const OnReply& on_reply) {
  for (size_t i = 0; i < requests.size(); ++i) {
    const ChatRequest& request = requests[i];
    GenerationRequest wanted{.ids = prompt_ids(request)};
    if (std::ssize(wanted.ids) >= parts_.context) {
      on_reply(i, {.status = ChatReply::Status::kFailed,
                   .text = fmt::format("the prompt has {} tokens, and the model's context is {}",
                                       wanted.ids.size(), parts_.context)});
      continue;
    }
    wanted.sampling.temperature = request.temperature;
    wanted.sampling.top_p = request.top_p;
    wanted.sampling.seed = request.seed;
    wanted.max_new_tokens = request.max_new_tokens;
    wanted.stop_ids = parts_.stop_ids;
    wanted.stop_strings = request.stop;
    if (request.num_alternatives > 0) wanted.num_alternatives = request.num_alternatives;
    generator_.forget();
    const Generation generation = generator_.generate(wanted);
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
    on_reply(i, std::move(reply));
  }
}

}  // namespace poro
