// The chat template of Poro mini renders what Llama 3.1's does, for conversations without tools.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "text/chat_template.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

const std::filesystem::path kTemplate =
    std::filesystem::path(PORO_SOURCE_DIR) / "recipes/mini/chat_template.jinja";

std::string rendered(const Json& conversation) {
  const ChatTemplate chat(read_file(kTemplate), {{"bos_token", "<|begin_of_text|>"}});
  TemplateInput input{.messages = conversation["messages"]};
  if (conversation.contains("tools")) input.tools = conversation["tools"];
  input.add_generation_prompt = conversation.value("add_generation_prompt", false);
  if (conversation.contains("date_string") && conversation["date_string"].is_string())
    input.variables["date_string"] = conversation["date_string"];
  return chat.render(input).text;
}

TEST(MiniTemplate, WritesTheFormatOfLlama31) {
  EXPECT_EQ(
      rendered(Json::parse(
          R"({"messages": [{"role": "system", "content": " Vastaa lyhyesti. "}, {"role": "user", "content": "Hei!"}],
                                     "add_generation_prompt": true, "date_string": "6 Dec 2026"})")),
      "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
      "Today Date: 6 Dec 2026\n\nVastaa "
      "lyhyesti.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHei!<|eot_id|>"
      "<|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_THROW(
      rendered(Json::parse(R"({"messages": [{"role": "user", "content": "a"}], "tools": [{"name": "b"}]})")),
      Error);
}

TEST(MiniTemplate, RendersTheGoldensWithoutTools) {
  const char* goldens = std::getenv("PORO_GOLDENS");
  if (goldens == nullptr) GTEST_SKIP() << "set PORO_GOLDENS to compare with transformers";
  std::ifstream lines(std::filesystem::path(goldens) / "chat_template.jsonl");
  int compared = 0;
  for (std::string line; std::getline(lines, line);) {
    const Json golden = Json::parse(line);
    bool has_tools = golden.contains("tools") && !golden["tools"].is_null();
    for (const Json& message : golden["messages"])
      has_tools = has_tools || message.contains("tool_calls") || message["role"] == "tool" ||
                  message["role"] == "ipython" || !message["content"].is_string();
    if (has_tools) continue;
    EXPECT_EQ(rendered(golden), golden["text"]) << line;
    ++compared;
  }
  EXPECT_GE(compared, 20);
}

}  // namespace
}  // namespace poro
