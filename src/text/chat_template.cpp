#include "text/chat_template.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "text/jinja/parser.h"
#include "text/jinja/render.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxConfigBytes = uint64_t{64} << 20;

Json read_json(const std::filesystem::path& path) {
  Json json = Json::parse(read_file(path, kMaxConfigBytes), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) fail("{} is not a JSON object", path.string());
  return json;
}

// A token is written as its text, or as an object that describes it.
Json token_text(const Json& token) {
  if (token.is_object() && token.contains("content") && token["content"].is_string()) return token["content"];
  return token;
}

// tokenizer_config.json, or an empty object where there is none.
Json read_config(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "tokenizer_config.json";
  return std::filesystem::exists(path) ? read_json(path) : Json::object();
}

Json special_tokens(const Json& config) {
  Json tokens = Json::object();
  for (const char* name :
       {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"})
    if (config.contains(name) && !config[name].is_null()) tokens[name] = token_text(config[name]);
  if (config.contains("additional_special_tokens") && config["additional_special_tokens"].is_array()) {
    Json texts = Json::array();
    for (const Json& token : config["additional_special_tokens"]) texts.push_back(token_text(token));
    tokens["additional_special_tokens"] = std::move(texts);
  }
  return tokens;
}

// The template in `config`, empty if it has none.
std::string template_in(const Json& config, const std::filesystem::path& path) {
  if (!config.contains("chat_template") || config["chat_template"].is_null()) return {};
  const Json& value = config["chat_template"];
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) {
    for (const Json& entry : value)
      if (entry.is_object() && entry.value("name", Json()) == "default" &&
          entry.value("template", Json()).is_string())
        return entry["template"].get<std::string>();
    fail("the chat_template list of {} has no entry named \"default\" with a template", path.string());
  }
  fail("chat_template in {} is neither a string nor a list of templates", path.string());
}

}  // namespace

struct ChatTemplate::Parsed {
  std::string source;
  Json globals;
  jinja::Template tree;
};

ChatTemplate::ChatTemplate(std::string source, Json globals) {
  if (!globals.is_object()) fail("the variables of a chat template must be a JSON object");
  try {
    jinja::Template tree = jinja::parse(source);
    parsed_ = std::make_unique<const Parsed>(Parsed{std::move(source), std::move(globals), std::move(tree)});
  } catch (const Error& error) {
    fail("chat template: {}", error.what());
  }
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

ChatTemplate ChatTemplate::load(const std::filesystem::path& folder) {
  const Json config = read_config(folder);
  std::string source;
  if (const auto path = folder / "chat_template.jinja"; std::filesystem::exists(path)) {
    source = read_file(path, kMaxConfigBytes);
  } else if (const auto json_path = folder / "chat_template.json"; std::filesystem::exists(json_path)) {
    source = template_in(read_json(json_path), json_path);
  } else {
    source = template_in(config, folder / "tokenizer_config.json");
  }
  if (source.empty())
    fail(
        "{} has no chat template: neither chat_template.jinja nor chat_template in tokenizer_config.json; "
        "use an instruct model",
        folder.string());
  return ChatTemplate(std::move(source), special_tokens(config));
}

Json ChatTemplate::token_variables(const std::filesystem::path& folder) {
  return special_tokens(read_config(folder));
}

Rendered ChatTemplate::render(const TemplateInput& input) const {
  if (!input.variables.is_object()) fail("the variables of a chat template must be a JSON object");
  const Json add_generation_prompt = input.add_generation_prompt;
  jinja::RenderVariables variables;
  for (const auto& [name, value] : parsed_->globals.items()) variables.emplace_back(name, &value);
  variables.emplace_back("messages", &input.messages);
  variables.emplace_back("tools", &input.tools);
  variables.emplace_back("documents", &input.documents);
  variables.emplace_back("add_generation_prompt", &add_generation_prompt);
  for (const auto& [name, value] : input.variables.items()) variables.emplace_back(name, &value);
  jinja::Output output = jinja::render(parsed_->tree, variables);
  return {std::move(output.text), std::move(output.spans)};
}

std::string_view ChatTemplate::source() const {
  return parsed_->source;
}

}  // namespace poro
