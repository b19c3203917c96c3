// `poro tokenize` and `poro template` in every form that the contract names.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/apps/run_poro.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

class TextCommands : public ::testing::Test {
 protected:
  PoroOutcome tokenize(const std::vector<std::string>& more, const std::string& input) const {
    std::vector<std::string> all = {"tokenize", "--model", model_.path()};
    all.insert(all.end(), more.begin(), more.end());
    return ask_poro(all, input);
  }
  std::string ok(const std::vector<std::string>& more, const std::string& input) const {
    const PoroOutcome outcome = tokenize(more, input);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return outcome.out;
  }
  PoroOutcome render(const std::string& input) const {
    return ask_poro({"template", "--model", model_.path()}, input);
  }

  TinyChatModel model_;
};

TEST_F(TextCommands, TokenizeTakesTextAsItIs) {
  EXPECT_EQ(ok({}, "Hä\n"), "[72,195,164,10]\n");
  EXPECT_EQ(ok({}, ""), "[]\n");
  EXPECT_EQ(ok({"--bos"}, "H"), "[256,72]\n");
  EXPECT_EQ(ok({}, "H<|eot_id|>"), "[72,258]\n");
  EXPECT_EQ(ok({"--plain"}, "<|eot_id|>"), "[60,124,101,111,116,95,105,100,124,62]\n");
}

TEST_F(TextCommands, TokenizeReplacesWhatIsNotUtf8AndSaysSo) {
  const PoroOutcome outcome = tokenize({}, "a\xff");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out, "[97,239,191,189]\n");
  EXPECT_NE(outcome.err.find("not valid UTF-8"), std::string::npos) << outcome.err;
}

TEST_F(TextCommands, TokenizeAnswersLinesInTheirOrder) {
  EXPECT_EQ(ok({"--jsonl"}, "{\"text\": \"H\"}\n\n{\"text\": \"\", \"x\": 1}\n"),
            "{\"ids\":[72]}\n{\"ids\":[]}\n");
  EXPECT_EQ(ok({"--jsonl", "--bos"}, "{\"text\": \"\\u00e4\"}"), "{\"ids\":[256,195,164]}\n");
  std::string many, expected;
  for (int i = 0; i < 5000; ++i) {
    many += Json{{"text", std::string(1, static_cast<char>('a' + i % 26))}}.dump() + "\n";
    expected += "{\"ids\":[" + std::to_string('a' + i % 26) + "]}\n";
  }
  EXPECT_EQ(ok({"--jsonl", "--threads", "3"}, many), expected);
}

TEST_F(TextCommands, TokenizeDecodes) {
  EXPECT_EQ(ok({"--decode"}, "{\"ids\": [72, 195, 164, 258]}\n{\"ids\": []}\n"),
            "{\"text\":\"Hä<|eot_id|>\"}\n{\"text\":\"\"}\n");
  EXPECT_EQ(ok({"--decode", "--skip-special"}, "{\"ids\": [256, 72, 258]}\n"), "{\"text\":\"H\"}\n");
}

TEST_F(TextCommands, TokenizeNamesTheLineThatIsWrong) {
  const auto refused = [&](const std::vector<std::string>& more, const std::string& line,
                           const std::string& why) {
    const PoroOutcome outcome = tokenize(more, line + "\n");
    EXPECT_EQ(outcome.exit_code, 2) << line;
    const std::string sentence = "standard input, line 1: " + why;
    EXPECT_EQ(outcome.err.substr(0, 6 + sentence.size()), "poro: " + sentence);
    EXPECT_EQ(outcome.out.substr(0, 10), "{\"error\":\"") << outcome.out;
  };
  refused({"--jsonl"}, "{", "the line is no JSON");
  refused({"--jsonl"}, "[]", "the line is not an object");
  refused({"--jsonl"}, "{\"txt\": 1}", "the line has no string \"text\"");
  refused({"--jsonl"}, "{\"text\": 1}", "the line has no string \"text\"");
  refused({"--decode"}, "{\"ids\": 5}", "the line has no list \"ids\"");
  refused({"--decode"}, "{\"ids\": [1, -1]}", "\"ids\" holds at index 1 what is no token id");
  refused({"--decode"}, "{\"ids\": [99999]}", "");
}

TEST_F(TextCommands, TokenizeTrainsATokenizerThatItCanUse) {
  const ScratchFolder folder;
  std::ofstream text(folder / "text.txt");
  for (int i = 0; i < 200; ++i) text << "poro juoksee tunturissa ja poro lepää\n";
  text.close();
  const std::string out = folder / "made";
  const PoroOutcome made =
      run_poro({"tokenize", "--train", folder / "text.txt", "--vocab-size", "300", "--out", out});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  const PoroOutcome used = ask_poro({"tokenize", "--model", out, "--jsonl"}, "{\"text\": \" poro\"}\n");
  EXPECT_EQ(used.exit_code, 0) << used.err;
  EXPECT_EQ(Json::parse(used.out)["ids"].size(), 1u) << used.out;
  const std::vector<std::vector<std::string>> wrong = {
      {"--train", folder / "text.txt"},
      {"--train", folder / "text.txt", "--vocab-size", "10", "--out", out},
      {"--train", folder / "none.txt", "--vocab-size", "300", "--out", out},
      {"--skip-special"},
      {"--model", folder / "none"}};
  for (std::vector<std::string> arguments : wrong) {
    arguments.insert(arguments.begin(), "tokenize");
    const PoroOutcome outcome = run_poro(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments.back();
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
}

TEST_F(TextCommands, TemplateRendersTextAndIds) {
  const PoroOutcome outcome = render(
      "{\"messages\": [{\"role\": \"user\", \"content\": \" Hä \"}], \"add_generation_prompt\": true}\n"
      "{\"template\": \"{{ x }}{{ messages | length }}{{ bos_token }}\", \"variables\": {\"x\": \"ä\"}}\n"
      "{\"messages\": [], \"template\": \"{{ date_string }}\", \"date_string\": \"1 May\"}\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "{\"text\":\"<|begin_of_text|><|header|>user\\nHä<|eot_id|><|header|>assistant\\n\","
            "\"ids\":[256,257,117,115,101,114,10,72,195,164,258,257,97,115,115,105,115,116,97,110,116,10]}\n"
            "{\"text\":\"ä0<|begin_of_text|>\",\"ids\":[195,164,48,256]}\n"
            "{\"text\":\"1 May\",\"ids\":[49,32,77,97,121]}\n");
}

TEST_F(TextCommands, TemplateErrorsComeOnTheirLinesAndEndWithExitCode2) {
  const PoroOutcome outcome = render(
      "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n"
      "{\"messages\": 3}\n"
      "{\"messages\": [], \"template\": \"{% if %}\"}\n"
      "{\"messages\": [], \"template\": \"{{ raise_exception('no turns') }}\"}\n"
      "{}\n"
      "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n");
  EXPECT_EQ(outcome.exit_code, 2);
  std::vector<Json> lines;
  std::istringstream out(outcome.out);
  for (std::string line; std::getline(out, line);) lines.push_back(Json::parse(line));
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_TRUE(lines[0].contains("text"));
  for (size_t i = 1; i < 5; ++i) EXPECT_TRUE(lines[i].contains("error")) << lines[i];
  EXPECT_NE(lines[3]["error"].get<std::string>().find("no turns"), std::string::npos) << lines[3];
  EXPECT_EQ(lines[5], lines[0]);
  EXPECT_NE(outcome.err.find(
                "poro: standard input, line 2: \"messages\" is of type number, not an array (and 3 more "
                "lines failed)"),
            std::string::npos)
      << outcome.err;
}

}  // namespace
}  // namespace poro
