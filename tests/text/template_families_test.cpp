// Our interpreter against Jinja2 on whole chat templates, in the manner of many model families: the table
// that tools/template_families.py writes.
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "text/chat_template.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

TemplateInput input_of(const Json& conversation) {
  TemplateInput input;
  input.messages = conversation["messages"];
  if (conversation.contains("tools")) input.tools = conversation["tools"];
  if (conversation.contains("documents")) input.documents = conversation["documents"];
  if (conversation.contains("variables")) input.variables = conversation["variables"];
  input.add_generation_prompt = conversation.value("add_generation_prompt", false);
  return input;
}

TEST(TemplateFamilies, RenderAsJinja2Does) {
  std::ifstream lines(PORO_SOURCE_DIR "/tests/text/template_families.jsonl");
  std::string line;
  ASSERT_TRUE(std::getline(lines, line)) << "tests/text/template_families.jsonl is missing";
  const Json head = Json::parse(line);
  size_t num_texts = 0, num_refusals = 0;
  while (std::getline(lines, line)) {
    const Json family = Json::parse(line);
    const ChatTemplate chat_template(family["template"], head["globals"]);
    ASSERT_EQ(family["texts"].size(), head["conversations"].size());
    for (size_t i = 0; i < family["texts"].size(); ++i) {
      const Json& wanted = family["texts"][i];
      Json text;
      try {
        text = chat_template.render(input_of(head["conversations"][i])).text;
      } catch (const Error&) {  // null, as Jinja2 has it in the table.
      }
      ++(wanted.is_null() ? num_refusals : num_texts);
      EXPECT_EQ(text, wanted) << family["family"] << " on " << head["conversations"][i];
    }
  }
  EXPECT_GT(num_texts, 140u);
  EXPECT_GT(num_refusals, 10u);
}

}  // namespace
}  // namespace poro
