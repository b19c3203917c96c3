// What the assistant wrote in a rendered conversation, for any chat template: the template's own generation
// blocks where it has them, otherwise found by rendering. A conversation cut before an assistant's message,
// with a generation prompt, ends where the answer begins; cut after the message, it ends where the answer
// ends.
#pragma once

#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace poro {

struct Conversation {
  const nlohmann::ordered_json& messages;
  const nlohmann::ordered_json& tools;
};

// The conversation's text, and in assistant_spans what the assistant wrote, each with the token that ends its
// turn. Throws Error: what the template raised, or that the spans cannot be told.
Rendered render_with_spans(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
                           const Conversation& conversation);

}  // namespace poro
