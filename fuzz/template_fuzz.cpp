// Any bytes as a chat template: refused with an Error, or rendered within the limits of the sandbox. What
// follows the first NUL byte are the variables, as JSON; without them there is a short conversation with
// tools.
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "text/chat_template.h"
#include "text/unicode.h"

namespace {

using Json = nlohmann::ordered_json;

// Of any shape that a line of `poro template` could have.
poro::TemplateInput input_of(std::string_view json) {
  poro::TemplateInput input;
  Json given = Json::parse(json, nullptr, false);
  if (given.is_object() && given.contains("messages")) {
    input.messages = given["messages"];
    input.variables = given;
  } else {
    input.messages =
        Json::parse(R"([{"role": "system", "content": "Be kind."}, {"role": "user", "content": " Hei! "},
        {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {"x": [1.5]}}}]},
        {"role": "tool", "content": "é"}])");
    input.tools = Json::parse(R"([{"type": "function", "function": {"name": "f", "parameters": {}}}])");
  }
  input.add_generation_prompt = true;
  return input;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(all.find('\0'), size);
  try {
    const poro::ChatTemplate chat_template(std::string(all.substr(0, end)), {{"bos_token", "<s>"}});
    const poro::Rendered rendered = chat_template.render(input_of(all.substr(std::min(end + 1, size))));
    size_t last = 0;
    for (const auto& [from, to] : rendered.assistant_spans) {
      if (from < last || to < from || to > rendered.text.size()) std::abort();
      last = to;
    }
    // The same again gives the same, unless it asked for the time.
    const bool tells_time = all.find("strftime_now") != std::string_view::npos;
    const std::string again = chat_template.render(input_of(all.substr(std::min(end + 1, size)))).text;
    if (!tells_time && again != rendered.text) std::abort();
  } catch (const poro::Error&) {
  }
  return 0;
}
