// Conversations to text, as the model's own chat template writes them: a Jinja template that came with the
// model, rendered in a sandbox with the settings of Hugging Face transformers, byte for byte. What
// a template may use is in jinja/limits.h.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace poro {

struct TemplateInput {
  nlohmann::ordered_json messages;
  nlohmann::ordered_json tools = nullptr, documents = nullptr;
  bool add_generation_prompt = false;
  nlohmann::ordered_json variables =
      nlohmann::ordered_json::object();  // Further ones, date_string say; they win.
};

struct Rendered {
  std::string text;
  // Byte ranges of `text` inside generation blocks, ascending and apart: what the assistant wrote.
  std::vector<std::pair<size_t, size_t>> assistant_spans;
};

class ChatTemplate {
 public:
  // From chat_template.jinja, else chat_template.json, else tokenizer_config.json (a string, or a list of
  // {name, template} of which "default" is taken); bos_token, eos_token and their like are variables. Throws
  // Error where there is none.
  static ChatTemplate load(const std::filesystem::path& folder);

  // bos_token, eos_token, ... as tokenizer_config.json names them; an empty object without that file.
  static nlohmann::ordered_json token_variables(const std::filesystem::path& folder);

  // `globals` is an object of variables for every rendering. Throws Error that names the line of a syntax
  // error.
  ChatTemplate(std::string source, nlohmann::ordered_json globals);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // Throws Error that names the line: what the template raised, or what went wrong in it. Safe from any
  // number of threads.
  Rendered render(const TemplateInput& input) const;
  std::string_view source() const;

 private:
  struct Parsed;
  std::unique_ptr<const Parsed> parsed_;
};

}  // namespace poro
