#include "apps/template_fields.h"

#include "base/error.h"

namespace poro {

TemplateInput read_template_input(Fields& fields, Messages need) {
  TemplateInput input;
  const Json* messages = fields.find("messages");
  if (messages == nullptr && need == Messages::kRequired) fail("\"messages\" is missing");
  input.messages = messages != nullptr ? *messages : Json::array();
  if (!input.messages.is_array())
    fail("\"messages\" is of type {}, not an array", input.messages.type_name());
  if (const Json* tools = fields.find("tools")) input.tools = *tools;
  if (const Json* documents = fields.find("documents")) input.documents = *documents;
  input.add_generation_prompt = fields.boolean("add_generation_prompt").value_or(false);
  if (const Json* variables = fields.find("variables")) {
    if (!variables->is_object()) fail("\"variables\" is of type {}, not an object", variables->type_name());
    input.variables = *variables;
  }
  if (const auto date = fields.text("date_string")) input.variables["date_string"] = *date;
  return input;
}

}  // namespace poro
