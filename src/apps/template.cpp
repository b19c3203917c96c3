// `poro template`: conversations to text and token ids, as the model's chat template writes them.
#include <iostream>
#include <optional>

#include "apps/commands.h"
#include "apps/jsonl.h"
#include "apps/model_options.h"
#include "apps/template_fields.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace poro {
namespace {

// The model's template and token variables are read when the first line asks for them: a line may bring its
// own template.
class TemplateCommand {
 public:
  explicit TemplateCommand(std::filesystem::path folder)
      : folder_(std::move(folder)), tokenizer_(Tokenizer::load(folder_)) {}

  Json answer(const Json& line) {
    Fields fields(line);
    const std::optional<std::string> source = fields.text("template");
    const TemplateInput input =
        read_template_input(fields, source ? Messages::kOptional : Messages::kRequired);
    const Rendered rendered =
        source ? ChatTemplate(*source, token_variables()).render(input) : model_template().render(input);
    return {{"text", rendered.text}, {"ids", tokenizer_.encode(rendered.text)}};
  }

 private:
  const ChatTemplate& model_template() {
    if (!template_) template_.emplace(ChatTemplate::load(folder_));
    return *template_;
  }

  const Json& token_variables() {
    if (!token_variables_) token_variables_ = ChatTemplate::token_variables(folder_);
    return *token_variables_;
  }

  std::filesystem::path folder_;
  Tokenizer tokenizer_;
  std::optional<ChatTemplate> template_;
  std::optional<Json> token_variables_;
};

}  // namespace

void add_template(CLI::App& root) {
  CLI::App* command =
      root.add_subcommand("template", "Conversations to text and ids, by the model's chat template");
  auto options = std::make_shared<ModelOptions>();
  add_model_option(*command, *options);
  command->footer(
      "Lines in:  {\"messages\": [{\"role\": ..., \"content\": ...}, ...], \"tools\": [...], \"documents\": "
      "[...],\n"
      "            \"add_generation_prompt\": true, \"date_string\": ..., \"template\": ..., \"variables\": "
      "{...}}\n"
      "Lines out: {\"text\": ..., \"ids\": [...]}\n"
      "\"template\" replaces the model's; \"variables\" are further template variables. Only \"messages\" is "
      "needed.\n"
      "Example: echo '{\"messages\": [{\"role\": \"user\", \"content\": \"Hei!\"}]}' | poro template --model "
      "FOLDER");
  command->callback([options] {
    TemplateCommand run(model_folder(options->model));
    answer_lines(std::cin, [&](const Json& line) { return run.answer(line); });
  });
}

}  // namespace poro
