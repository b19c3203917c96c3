// `poro generate` as its user meets it: text for a prompt, answers to lines, and a sentence for whatever is
// wrong.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/apps/run_poro.h"
#include "tests/tiny_chat_model.h"
#include "text/unicode.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> lines;
  for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    lines.push_back(Json::parse(text.substr(at, end - at)));
  return lines;
}

// Random weights, so that different parameters give different text.
class Generate : public ::testing::Test {
 protected:
  PoroOutcome generate(const std::vector<std::string>& more, const std::string& input = {},
                       const TinyChatModel* model = nullptr) const {
    std::vector<std::string> all = {"generate", "--model", (model ? *model : model_).path()};
    all.insert(all.end(), more.begin(), more.end());
    return ask_poro(all, input);
  }
  Json answer(const Json& line, const TinyChatModel* model = nullptr) const {
    const PoroOutcome outcome = generate({"--jsonl"}, line.dump() + "\n", model);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const std::vector<Json> lines = lines_of(outcome.out);
    return lines.size() == 1 ? lines[0] : Json();
  }
  // The line is answered by {"error": ...}, and the program ends with that sentence and exit code 2.
  void expect_refused(const Json& line, const std::string& expected) const {
    const PoroOutcome outcome = generate({"--jsonl"}, line.dump() + "\n");
    EXPECT_EQ(outcome.exit_code, 2) << line;
    const std::string sentence = "standard input, line 1: " + expected;
    ASSERT_EQ(lines_of(outcome.out).size(), 1u) << outcome.out;
    EXPECT_EQ(lines_of(outcome.out)[0], Json({{"error", sentence}}));
    EXPECT_EQ(outcome.err, "poro: " + sentence + "\n");
  }

  TinyChatModel model_;
};

TEST_F(Generate, ContinuesAPromptAndEndsTheLine) {
  const PoroOutcome outcome = generate({"--prompt", "Hyvää", "--max-new-tokens", "12"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(is_valid_utf8(outcome.out));
  EXPECT_EQ(outcome.out.back(), '\n');
  const Json same = answer({{"prompt", "Hyvää"}, {"max_new_tokens", 12}});
  EXPECT_EQ(same["text"].get<std::string>() + "\n", outcome.out);
  EXPECT_EQ(same["ids"].size(), 12u);
  EXPECT_EQ(same["finish_reason"], "length");
  EXPECT_EQ(same["usage"], Json({{"prompt_tokens", 8}, {"completion_tokens", 12}, {"total_tokens", 20}}));
}

TEST_F(Generate, AnswersTheThreeFormsOfARequestInTheirOrder) {
  const PoroOutcome outcome = generate({"--jsonl", "--max-new-tokens", "3"},
                                       "{\"ids\": [256, 72]}\n\n{\"prompt\": \"H\"}\n"
                                       "{\"messages\": [{\"role\": \"user\", \"content\": \"H\"}]}\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::vector<Json> lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], lines[1]);  // The begin-of-text token is put before a prompt.
  EXPECT_EQ(lines[2]["usage"]["prompt_tokens"],
            1 + 6 + 1 + 1 + 1 + 10);  // "user\nH", "assistant\n", their marks.
}

TEST_F(Generate, EndsBeforeStopStringsAndAtStopTokens) {
  const TinyChatModel scripted({.answer = "Hyvää päivää! Moi."});
  const Json messages = {{{"role", "user"}, {"content", "?"}}};
  const auto said = [&](Json line) {
    line["messages"] = messages;
    return answer(line, &scripted);
  };
  EXPECT_EQ(said(Json::object())["text"], "Hyvää päivää! Moi.");
  EXPECT_EQ(said(Json::object())["finish_reason"], "stop");  // At the end of turn, which no config names.
  EXPECT_EQ(said({{"stop", "! M"}})["text"], "Hyvää päivää");
  EXPECT_EQ(said({{"stop", {"Moi", "ää p"}}})["text"], "Hyv");
  EXPECT_EQ(said({{"stop", {"Moi", "ää p"}}})["finish_reason"], "stop");
  EXPECT_EQ(said({{"stop_ids", {260}}})["ids"], Json({260}));
  const Json going = said({{"ignore_eos", true}, {"max_new_tokens", 5}});
  EXPECT_EQ(going["ids"].size(), 5u);
  EXPECT_EQ(going["finish_reason"], "length");
  EXPECT_EQ(said({{"ignore_eos", true}, {"stop", "<|eot_id|>"}})["finish_reason"], "stop");
  const PoroOutcome flag = generate({"--prompt", "\n", "--stop", "päi", "--stop", "Moi"}, {}, &scripted);
  EXPECT_EQ(flag.out, "Hyvää \n");
}

TEST_F(Generate, ASeedGivesTheSameTextOnAnyNumberOfThreads) {
  const std::vector<std::string> base = {"--prompt", "Hei", "--max-new-tokens", "40", "--temperature", "1"};
  const auto text = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = base;
    all.insert(all.end(), more.begin(), more.end());
    const PoroOutcome outcome = generate(all);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.out;
  };
  const std::string first = text({"--seed", "7", "--threads", "1"});
  EXPECT_EQ(text({"--seed", "7", "--threads", "2"}), first);
  EXPECT_NE(text({"--seed", "8", "--threads", "1"}), first);
  const Json line = answer({{"prompt", "Hei"}, {"max_new_tokens", 40}, {"temperature", 1}, {"seed", 7}});
  EXPECT_EQ(line["text"].get<std::string>() + "\n", first);
}

TEST_F(Generate, ShowsTheLogProbabilitiesAskedFor) {
  const Json line = answer({{"prompt", "Hei"}, {"max_new_tokens", 2}, {"logprobs", 3}, {"temperature", 0}});
  const Json content = line["logprobs"]["content"];
  ASSERT_EQ(content.size(), 2u);
  ASSERT_EQ(content[0]["top_logprobs"].size(), 3u);
  EXPECT_EQ(content[0]["top_logprobs"][0]["id"], line["ids"][0]);  // Greedy takes the likeliest.
  EXPECT_EQ(content[0]["top_logprobs"][0]["logprob"], content[0]["logprob"]);
  EXPECT_LT(content[0]["logprob"].get<double>(), 0);
  EXPECT_EQ(answer({{"prompt", "Hei"},
                    {"max_new_tokens", 1},
                    {"logprobs", 0}})["logprobs"]["content"][0]["top_logprobs"],
            Json::array());
}

TEST_F(Generate, TakesEveryParameterWithinItsRange) {
  const Json inside = {{"temperature", {0, 0.5, 100}},
                       {"top_k", {0, 1, 100000}},
                       {"top_p", {1e-9, 1}},
                       {"min_p", {0, 1}},
                       {"typical_p", {1e-9, 1}},
                       {"repetition_penalty", {0.1, 3}},
                       {"presence_penalty", {-2, 2}},
                       {"frequency_penalty", {-2, 2}},
                       {"seed", {0, 18446744073709551615u}}};
  std::string input;
  size_t count = 0;
  for (const auto& [name, values] : inside.items())
    for (const Json& value : values) {
      input += Json{{"prompt", "a"}, {"max_new_tokens", 2}, {"temperature", 1}, {name, value}}.dump() + "\n";
      ++count;
    }
  const PoroOutcome outcome = generate({"--jsonl"}, input);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(lines_of(outcome.out).size(), count);
}

TEST_F(Generate, RefusesEveryParameterOutsideItsRange) {
  const auto refuse = [&](const char* name, const Json& value, const std::string& range) {
    expect_refused({{"prompt", "a"}, {name, value}},
                   std::string(name) + " is " + (value.is_number() ? value.dump() : value.type_name()) +
                       ", but must be " + range);
  };
  refuse("temperature", -0.1, "0 or more");
  refuse("temperature", "hot", "0 or more");
  refuse("top_k", -1, "a whole number, 0 or more");
  refuse("top_k", 1.5, "a whole number, 0 or more");
  refuse("top_p", 0, "above 0 and at most 1");
  refuse("top_p", 1.01, "above 0 and at most 1");
  refuse("min_p", -0.1, "from 0 to 1");
  refuse("min_p", 1.1, "from 0 to 1");
  refuse("typical_p", 0, "above 0 and at most 1");
  refuse("repetition_penalty", 0, "above 0");
  refuse("presence_penalty", true, "a number");
  refuse("frequency_penalty", Json::array(), "a number");
  refuse("seed", -1, "a whole number, 0 or more");
  expect_refused({{"prompt", "a"}, {"max_new_tokens", -1}}, "max_new_tokens is -1, but must be 0 or more");
  expect_refused({{"prompt", "a"}, {"max_new_tokens", 1.5}}, "\"max_new_tokens\" is 1.5, not a whole number");
  expect_refused({{"prompt", "a"}, {"logprobs", -1}},
                 "logprobs is -1, but must be the number of alternatives to show for each token, 0 or more");
  const PoroOutcome flag = generate({"--prompt", "a", "--top-p", "1.5"});
  EXPECT_EQ(flag.exit_code, 2);
  EXPECT_EQ(flag.err, "poro: top_p is 1.5, but must be above 0 and at most 1\n");
}

TEST_F(Generate, RefusesRequestsThatAreNone) {
  expect_refused(Json::object(), "a request needs exactly one of \"ids\", \"prompt\" and \"messages\"");
  expect_refused({{"ids", {1}}, {"prompt", "a"}},
                 "a request needs exactly one of \"ids\", \"prompt\" and \"messages\"");
  expect_refused({{"ids", Json::array()}}, "the prompt is empty; give at least one token");
  expect_refused({{"ids", {1, -1}}}, "\"ids\" holds -1 at index 1, which is no token id");
  expect_refused({{"ids", {1, 264}}},
                 "token 264 at index 1 of the prompt is outside the model's vocabulary of 264; do "
                 "tokenizer and model belong together?");
  expect_refused({{"ids", std::vector<int>(192, 1)}},
                 "the prompt has 192 tokens, and the context of 192 must hold it and at least one more; "
                 "shorten the prompt");
  expect_refused({{"prompt", 5}}, "\"prompt\" is of type number, not a string");
  expect_refused({{"prompt", "a"}, {"stop", ""}}, "a stop string is empty; leave it out, or name some text");
  expect_refused({{"prompt", "a"}, {"stop", 1}}, "\"stop\" is neither a string nor an array of strings");
  expect_refused({{"prompt", "a"}, {"ignore_eos", 1}}, "\"ignore_eos\" is of type number, not true or false");
}

TEST_F(Generate, AnswersTheLinesAfterAWrongOne) {
  const PoroOutcome outcome =
      generate({"--jsonl", "--max-new-tokens", "1"},
               "{\"prompt\": \"a\"}\n[1]\n{\"prompt\": \n{\"prompt\": \"a\", \"no_such\": 1}\n");
  EXPECT_EQ(outcome.exit_code, 2);
  const std::vector<Json> lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[1]["error"], "standard input, line 2: not a JSON object but of type array");
  EXPECT_TRUE(lines[2].contains("error"));
  EXPECT_EQ(lines[3], lines[0]);
  EXPECT_NE(outcome.err.find("\"no_such\" means nothing to poro generate"), std::string::npos) << outcome.err;
  EXPECT_NE(
      outcome.err.find("poro: standard input, line 2: not a JSON object but of type array (and 1 more line "
                       "failed)\n"),
      std::string::npos)
      << outcome.err;
}

TEST_F(Generate, SaysWhatIsMissing) {
  EXPECT_EQ(generate({}).exit_code, 2);
  EXPECT_EQ(generate({}).err,
            "poro: give either --prompt TEXT or --jsonl with requests on standard input; see `poro "
            "generate --help`\n");
  EXPECT_EQ(generate({"--prompt", "a", "--context", "193"}).exit_code, 2);
  EXPECT_EQ(generate({"--prompt", "a", "--dtype", "int3"}).exit_code, 2);
  EXPECT_EQ(generate({"--prompt", "a", "--device", "tpu"}).exit_code, 2);
  EXPECT_EQ(run_poro({"generate", "--model", "/no/such", "--prompt", "a"}).exit_code, 2);
  std::filesystem::remove(model_.path() + "/tokenizer.json");
  const PoroOutcome bare = generate({"--prompt", "a"});
  EXPECT_EQ(bare.exit_code, 2);
  EXPECT_NE(bare.err.find("has no tokenizer (tokenizer.json or tokenizer.model), so it takes token ids only"),
            std::string::npos)
      << bare.err;
  const Json by_ids = answer({{"ids", {256, 72}}, {"max_new_tokens", 2}});
  EXPECT_EQ(by_ids["ids"].size(), 2u);
  EXPECT_EQ(by_ids["text"], nullptr);
}

TEST_F(Generate, TakesDefaultsFromTheModelsGenerationConfig) {
  model_.write("generation_config.json", {{"max_new_tokens", 4}, {"do_sample", true}, {"temperature", 0.7}});
  EXPECT_EQ(answer({{"prompt", "Hei"}})["ids"].size(), 4u);
  model_.write("generation_config.json", {{"do_sample", true}, {"temperature", -1}});
  const PoroOutcome outcome = generate({"--prompt", "a"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("generation_config.json"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace poro
