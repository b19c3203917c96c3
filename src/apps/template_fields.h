// The fields of a line that describe a conversation to be rendered by a chat template.
#pragma once

#include "apps/jsonl.h"
#include "text/chat_template.h"

namespace poro {

enum class Messages { kOptional, kRequired };

// Takes messages, tools, documents, add_generation_prompt, variables and date_string. Throws Error.
TemplateInput read_template_input(Fields& fields, Messages need);

}  // namespace poro
