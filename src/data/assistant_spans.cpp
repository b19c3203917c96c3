#include "data/assistant_spans.h"

#include <algorithm>
#include <optional>

#include "base/error.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;
using Span = std::pair<size_t, size_t>;

enum class Prompt { kNone, kGeneration };

TemplateInput input_of(Json messages, const Json& tools, Prompt prompt) {
  TemplateInput input;
  input.messages = std::move(messages);
  input.tools = tools;
  input.add_generation_prompt = prompt == Prompt::kGeneration;
  return input;
}

std::optional<std::string> rendered_prefix(const ChatTemplate& chat_template,
                                           const Conversation& conversation, size_t count, Prompt prompt) {
  const Json head(conversation.messages.begin(),
                  conversation.messages.begin() + static_cast<std::ptrdiff_t>(count));
  try {
    return chat_template.render(input_of(head, conversation.tools, prompt)).text;
  } catch (const Error&) {  // Some templates refuse a conversation that ends with a question.
    return std::nullopt;
  }
}

// The answer of message `at`, where cutting the conversation leaves the text before the cut as it was.
std::optional<Span> span_by_cutting(const ChatTemplate& chat_template, const Conversation& conversation,
                                    size_t at, const std::string& full) {
  const auto before = rendered_prefix(chat_template, conversation, at, Prompt::kGeneration);
  if (!before || !full.starts_with(*before)) return std::nullopt;
  if (at + 1 == conversation.messages.size()) return Span{before->size(), full.size()};
  const auto after = rendered_prefix(chat_template, conversation, at + 1, Prompt::kNone);
  if (!after || !full.starts_with(*after) || after->size() < before->size()) return std::nullopt;
  return Span{before->size(), after->size()};
}

// The same where the template writes earlier turns differently once others follow: two texts that differ in
// every character take the answer's place, and what differs between the renderings is the answer.
Span span_by_marking(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                     const Conversation& conversation, size_t at, const std::string& full) {
  const auto marked = [&](const char* marker) {
    Json messages = conversation.messages;
    messages[at]["content"] = marker;
    return chat_template.render(input_of(std::move(messages), conversation.tools, Prompt::kNone)).text;
  };
  const std::string one = marked("Qqq"), other = marked("Www");
  const size_t limit = std::min({one.size(), other.size(), full.size()});
  size_t begin = 0, tail = 0;
  while (begin < limit && one[begin] == other[begin]) ++begin;
  while (tail < limit - begin && one[one.size() - 1 - tail] == other[other.size() - 1 - tail]) ++tail;
  if (begin + tail > full.size() || one.compare(0, begin, full, 0, begin) != 0 ||
      one.compare(one.size() - tail, tail, full, full.size() - tail, tail) != 0 || begin == limit)
    fail(
        "the chat template does not show where the words of message {} (of the assistant) are; use loss_on = "
        "\"all\"",
        at + 1);
  size_t end = full.size() - tail;
  // The token that ends the turn is the assistant's to say.
  constexpr size_t kLongestToken = 64;
  const std::vector<int32_t> following =
      tokenizer.encode(std::string_view(full).substr(end, std::min(tail, kLongestToken)));
  if (!following.empty() && tokenizer.is_special(following.front()))
    end += tokenizer.token_bytes(following.front()).size();
  return {begin, end};
}

bool has_content(const Json& message) {
  return message.contains("content") && message["content"].is_string() &&
         !message["content"].get<std::string>().empty();
}

}  // namespace

Rendered render_with_spans(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                           const Conversation& conversation) {
  Rendered rendered =
      chat_template.render(input_of(conversation.messages, conversation.tools, Prompt::kNone));
  if (!rendered.assistant_spans.empty()) return rendered;
  for (size_t at = 0; at < conversation.messages.size(); ++at) {
    const Json& message = conversation.messages[at];
    if (message.at("role") != "assistant") continue;
    std::optional<Span> span = span_by_cutting(chat_template, conversation, at, rendered.text);
    if (!span && !has_content(message))
      fail(
          "the chat template does not show where message {} (of the assistant, without text) is; use loss_on "
          "= \"all\"",
          at + 1);
    if (!span) span = span_by_marking(chat_template, tokenizer, conversation, at, rendered.text);
    if (!rendered.assistant_spans.empty())
      span->first = std::max(span->first, rendered.assistant_spans.back().second);
    if (span->second > span->first) rendered.assistant_spans.push_back(*span);
  }
  return rendered;
}

}  // namespace poro
