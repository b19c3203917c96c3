// The chat template: own cases first, then the goldens where they are at hand.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "text/tokenizer.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

std::string render(const std::string& source, const Json& variables = Json::object()) {
  return ChatTemplate(source, Json::object())
      .render({.messages = Json::array(), .variables = variables})
      .text;
}

std::string error_of(const std::string& source, const Json& variables = Json::object()) {
  try {
    render(source, variables);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(ChatTemplate, WritesAConversation) {
  const ChatTemplate chat(
      "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m['content'] | trim }}\n{% endfor %}"
      "{% if add_generation_prompt %}[assistant]{% endif %}",
      {{"bos_token", "<s>"}});
  TemplateInput input{.messages = Json::parse(R"([{"role": "user", "content": " Hyvää päivää! "}])"),
                      .add_generation_prompt = true};
  EXPECT_EQ(chat.render(input).text, "<s>[user] Hyvää päivää!\n[assistant]");
}

TEST(ChatTemplate, NamesTheLineOfAnError) {
  EXPECT_NE(error_of("a\nb\n{{ x.y.z }}").find("line 3"), std::string::npos);
  EXPECT_NE(error_of("a\n{% for x in y %}").find("line 2"), std::string::npos);
  EXPECT_EQ(error_of("{{ raise_exception('Roles must alternate') }}"),
            "chat template, line 1: Roles must alternate");
}

TEST(ChatTemplate, MarksWhatTheAssistantWrote) {
  const std::string body =
      "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}ä{{ m.content }}{% endgeneration "
      "%}"
      "{% else %}<{{ m.content }}>{% endif %}{% endfor %}";
  const TemplateInput input{
      .messages = Json::parse(R"([{"role": "user", "content": "å"}, {"role": "assistant", "content": "b"},
                                                        {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}])")};
  const std::vector<std::pair<size_t, size_t>> expected = {{4, 7}, {10, 13}};
  const Rendered plain = ChatTemplate(body, Json::object()).render(input);
  EXPECT_EQ(plain.text, "<å>äb<c>äd");
  EXPECT_EQ(plain.assistant_spans, expected);
  // The same from inside a macro, a set block, a filter-free concatenation.
  for (const char* form :
       {"{% macro f() %}BODY{% endmacro %}{{ f() }}", "{% set x %}BODY{% endset %}{{ x }}",
        "{% macro f() %}BODY{% endmacro %}{{ '' ~ f() ~ '' }}", "{% generation %}{% endgeneration %}BODY"}) {
    std::string source = form;
    source.replace(source.find("BODY"), 4, body);
    EXPECT_EQ(ChatTemplate(source, Json::object()).render(input).assistant_spans, expected) << form;
  }
  // Inside another one it is part of that.
  const Rendered nested =
      ChatTemplate("a{% generation %}b{% generation %}c{% endgeneration %}d{% endgeneration %}e",
                   Json::object())
          .render({});
  EXPECT_EQ(nested.assistant_spans, (std::vector<std::pair<size_t, size_t>>{{1, 4}}));
}

TEST(ChatTemplate, KeepsTheTemplateInItsSandbox) {
  for (const char* source :
       {"{{ ''.__class__.__mro__ }}", "{{ [].append(1) }}", "{{ {}.update({}) }}", "{{ messages.__len__() }}",
        "{% include 'x' %}", "{% import 'x' as y %}", "{{ cycler.__init__ }}{{ cycler.__init__() }}"})
    EXPECT_NE(error_of(source), "") << source;
}

TEST(ChatTemplate, RendersFromManyThreads) {
  const ChatTemplate chat("{% for i in range(100) %}{{ i }}{% endfor %}", Json::object());
  const std::string expected = chat.render({}).text;
  std::vector<std::thread> threads;
  std::atomic<int> num_equal = 0;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) num_equal += chat.render({}).text == expected ? 1 : 0;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(num_equal, 200);
}

// ---- Files from elsewhere

std::filesystem::path folder_in(const char* variable) {
  const char* folder = std::getenv(variable);
  return folder != nullptr ? folder : "";
}

Json read_json(const std::filesystem::path& path) {
  return Json::parse(read_file(path));
}

TEST(ChatTemplateGoldens, Transformers) {
  const auto data = folder_in("PORO_TEST_DATA"), goldens = folder_in("PORO_GOLDENS");
  if (data.empty() || goldens.empty())
    GTEST_SKIP() << "set PORO_TEST_DATA and PORO_GOLDENS to compare with transformers";
  const auto folder = data / "tokenizer/llama-3.1";
  const ChatTemplate chat = ChatTemplate::load(folder);
  const Tokenizer tokenizer = Tokenizer::load(folder);
  std::ifstream lines(goldens / "chat_template.jsonl");
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const Json golden = Json::parse(line);
    TemplateInput input{.messages = golden["messages"],
                        .tools = golden.value("tools", Json()),
                        .add_generation_prompt = golden["add_generation_prompt"]};
    if (!golden["date_string"].is_null()) input.variables["date_string"] = golden["date_string"];
    const std::string text = chat.render(input).text;
    EXPECT_EQ(text, golden["text"].get<std::string>()) << line;
    EXPECT_EQ(tokenizer.encode(text), golden["ids"].get<std::vector<int32_t>>()) << line;
  }
  EXPECT_GE(count, 84);
}

TEST(ChatTemplateGoldens, OtherFamilies) {
  const auto data = folder_in("PORO_TEST_DATA");
  if (data.empty()) GTEST_SKIP() << "set PORO_TEST_DATA to render the templates of other model families";
  const auto folder = data / "chat_template";
  for (const Json& golden : read_json(folder / "hf_jinja_e2e_goldens.json"))
    EXPECT_EQ(render(golden["chat_template"], golden["data"]), golden["target"].get<std::string>())
        << golden["name"];
  for (const Json& golden : read_json(folder / "hf_jinja_templates_goldens.json"))
    EXPECT_EQ(render(golden["template"], golden["context"]), golden["expected"].get<std::string>())
        << golden["name"];
  const Json conversation = Json::parse(R"([
      {"role": "system", "content": "You are a helpful assistant"}, {"role": "user", "content": "Hello"},
      {"role": "assistant", "content": "Hi there"}, {"role": "user", "content": "Who are you"},
      {"role": "assistant", "content": "   I am an assistant   "}, {"role": "user", "content": "Another question"}])");
  for (const Json& golden : read_json(folder / "llamacpp_chat_template_goldens.json")) {
    const std::string by_jinja = golden["expected_output_jinja"];
    const Json tokens = {{"bos_token", golden.value("bos_token", "")},
                         {"eos_token", golden.value("eos_token", "")}};
    const ChatTemplate chat(golden["template_str"], tokens);
    EXPECT_EQ(chat.render({.messages = conversation, .add_generation_prompt = true}).text,
              by_jinja.empty() ? golden["expected_output"].get<std::string>() : by_jinja)
        << golden["name"];
  }
}

TEST(ChatTemplateGoldens, Poro2) {
  const auto data = folder_in("PORO_TEST_DATA");
  if (data.empty()) GTEST_SKIP() << "set PORO_TEST_DATA to compare with Poro 2's rendered conversations";
  const ChatTemplate chat = ChatTemplate::load(data / "tokenizer/llama-3.1");
  for (const Json& golden : read_json(data / "chat_template/poro2_chat_template_rendered_cases.json")) {
    const TemplateInput input{.messages = golden["messages"],
                              .add_generation_prompt = golden["add_generation_prompt"],
                              .variables = golden["extra"]};
    EXPECT_EQ(chat.render(input).text, golden["rendered"].get<std::string>()) << golden["name"];
  }
}

}  // namespace
}  // namespace poro
