// Our interpreter against Jinja2 with the settings of transformers: the table that tools/jinja_cases.py
// writes.
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "text/chat_template.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

TEST(JinjaCases, RenderAsJinja2Does) {
  std::ifstream lines(PORO_SOURCE_DIR "/tests/text/jinja_cases.jsonl");
  std::string line;
  ASSERT_TRUE(std::getline(lines, line)) << "tests/text/jinja_cases.jsonl is missing";
  const Json variables = Json::parse(line)["variables"];
  int num_texts = 0, num_errors = 0;
  while (std::getline(lines, line)) {
    const Json golden = Json::parse(line);
    const std::string source = golden["template"];
    std::string text, error;
    try {
      text = ChatTemplate(source, Json::object())
                 .render({.messages = variables["messages"], .variables = variables})
                 .text;
    } catch (const Error& refusal) {
      error = refusal.what();
    }
    if (golden.contains("error")) {
      ++num_errors;
      EXPECT_NE(error, "") << source << "\nrendered " << text;
    } else {
      ++num_texts;
      EXPECT_EQ(error, "") << source;
      EXPECT_EQ(text, golden["text"].get<std::string>()) << source;
    }
  }
  EXPECT_GT(num_texts, 2000);
  EXPECT_GT(num_errors, 500);
}

}  // namespace
}  // namespace poro
