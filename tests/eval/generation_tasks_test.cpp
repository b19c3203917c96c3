// GSM8K, translation, Multi-IF, perplexity and fertility on small cases with known outcomes.
#include <cmath>

#include "eval/likelihood.h"
#include "eval/tasks/corpus_measures.h"
#include "eval/tasks/gsm8k.h"
#include "eval/tasks/multi_if.h"
#include "eval/tasks/translation.h"
#include "tests/eval/eval_data.h"
#include "tests/eval/fake_chat.h"
#include "tests/tiny_chat_model.h"

namespace poro {
namespace {

TEST(Gsm8k, ExtractsTheNumberStrictlyAndFlexibly) {
  const gsm8k::Question question{.question = "?", .answer = "2 + 3 = <<2+3=5>>5\n#### 1,005"};
  const auto graded = [&](const std::string& answer) {
    const gsm8k::Grade grade = gsm8k::grade(question, answer);
    return std::pair(grade.is_strict, grade.is_flexible);
  };
  EXPECT_EQ(graded("So 5.\n#### 1005"), std::pair(true, true));
  EXPECT_EQ(graded("#### 1,005."), std::pair(true, true));
  EXPECT_EQ(graded("The answer is $1,005."), std::pair(false, true));
  EXPECT_EQ(graded("#### 1005 and #### 7"), std::pair(true, false));
  EXPECT_EQ(graded("#### 7, not 1005"), std::pair(false, true));
  EXPECT_EQ(graded("none"), std::pair(false, false));
}

TEST(Gsm8k, FailedRepliesAreWrongAndCounted) {
  const std::vector<gsm8k::Question> questions(2, {.question = "How many?", .answer = "#### 5"});
  const auto requests = gsm8k::render(questions, questions, 1);
  EXPECT_EQ(requests[0].text, "Question: How many?\nAnswer: #### 5\n\nQuestion: How many?\nAnswer:");
  EXPECT_EQ(requests[0].stop[0], "Question:");
  const auto result =
      gsm8k::grade_all(questions, std::vector<ChatReply>{{.text = "#### 5"}, failed("too long")});
  EXPECT_EQ(result.summary["strict_match"], 0.5);
  EXPECT_EQ(result.summary["items"]["failed"], 1);
  EXPECT_THROW(gsm8k::render(questions, {}, 5), Error);
}

TEST(Translation, AsksInBothFormsAndScoresTheCorpus) {
  const TemporaryFolder folder;
  const auto file = folder.write("t.jsonl",
                                 "{\"set\": \"a\", \"en\": \"One.\", \"fi\": \"Yksi.\"}\n"
                                 "{\"set\": \"b\", \"en\": \"Two.\", \"fi\": \"Kaksi.\"}\n");
  const translation::Direction direction{.source = "en", .target = "fi"};
  const auto pairs = translation::load(file, direction, "a"),
             examples = translation::load(file, direction, "b");
  ASSERT_EQ(pairs.size(), 1u);
  const auto text = translation::render(pairs, examples, direction, translation::Form::kText)[0];
  EXPECT_EQ(text.text, "English: Two.\nFinnish: Kaksi.\n\nEnglish: One.\nFinnish:");
  EXPECT_EQ(text.stop[0], "\n");
  const auto chat = translation::render(pairs, examples, direction, translation::Form::kChat)[0];
  EXPECT_EQ(chat.messages.size(), 3u);
  EXPECT_TRUE(chat.text.empty());
  const std::vector<translation::Pair> long_pairs(
      3, {.source = "x", .target = "Tämä on pitkä suomenkielinen lause."});
  const auto result = translation::grade_all(
      long_pairs, std::vector<ChatReply>{{.text = " Tämä on pitkä suomenkielinen lause.\n"},
                                         {.text = "Tämä on pitkä suomenkielinen lause."},
                                         failed("down")});
  EXPECT_NEAR(result.summary["bleu"].get<double>(), 100 * std::exp(1 - 18.0 / 12), 1e-9);
  EXPECT_EQ(result.summary["items"]["failed"], 1);
  EXPECT_EQ(result.items[0].score, 100.0);
  EXPECT_EQ(result.items[2].score, 0.0);
  EXPECT_THROW(translation::load(file, direction, "c"), Error);
  EXPECT_THROW(translation::load(file, {.source = "sv", .target = "fi"}, ""), Error);
}

std::string quoted(std::string text) {
  for (size_t at = 0; (at = text.find('"', at)) != std::string::npos; at += 2) text.insert(at, 1, '"');
  return "\"" + text + "\"";
}

TEST(MultiIf, LaterTurnsSeeEarlierAnswersAndTheMeanIsOverTurns) {
  const TemporaryFolder folder;
  std::string header = "key,language", row = "k,English", other = "k,German";
  for (int turn = 1; turn <= 3; ++turn) {
    header += fmt::format(",turn_{0}_prompt,turn_{0}_instruction_id_list,turn_{0}_kwargs", turn);
    const std::string cells = "," + quoted(fmt::format(R"({{"role": "user", "content": "Turn {}"}})", turn)) +
                              "," + quoted(R"(["punctuation:no_comma", "startend:quotation"])") + "," +
                              quoted(R"(["{}", "{}"])");
    row += turn == 3 ? ",None,," : cells;
    other += cells;
  }
  ifeval::Models models;
  const auto loaded = multi_if::load(folder.write("m.csv", header + "\n" + row + "\n" + other + "\n"),
                                     ifeval::language("en"), models);
  ASSERT_EQ(loaded.dialogues.size(), 1u);
  EXPECT_EQ(loaded.num_other_languages, 1u);
  ASSERT_EQ(loaded.dialogues[0].turns.size(), 2u);
  RunFolder run(folder.path() / "run", {{"task", "multi_if"}});
  FakeChat model([](const ChatRequest& request) {
    return ChatReply{.text = request.messages.size() == 1 ? "no comma here" : "\"Quoted without one\""};
  });
  const auto asked = multi_if::ask(run, model, loaded.dialogues);
  ASSERT_EQ(model.asked.size(), 2u);
  EXPECT_EQ(model.asked[1].messages[1].content, "no comma here");
  const auto summary = multi_if::grade_all(loaded.dialogues, asked).summary;
  // Turn 1: no prompt, half of the instructions, strictly and loosely; turn 2: everything.
  EXPECT_EQ(summary["turn_1"]["overall"], 0.25);
  EXPECT_EQ(summary["turn_2"]["overall"], 1.0);
  EXPECT_EQ(summary["overall"], 0.625);
}

TEST(MultiIf, AFailedTurnEndsItsDialogueAndFollowsNothing) {
  const TemporaryFolder folder;
  ifeval::Models models;
  const ifeval::Prompt prompt = ifeval::read_prompt({{"prompt", "x"},
                                                     {"instruction_id_list", {"punctuation:no_comma"}},
                                                     {"kwargs", {nlohmann::json::object()}}},
                                                    "here", {ifeval::language("en"), models});
  std::vector<multi_if::Dialogue> dialogues(2);
  for (multi_if::Dialogue& dialogue : dialogues) {
    dialogue.turns.push_back(prompt);
    dialogue.turns.push_back(prompt);
  }
  RunFolder run(folder.path() / "run", {{"task", "multi_if"}});
  FakeChat model([](const ChatRequest& request) {
    return request.messages.size() > 1 ? failed("down") : ChatReply{.text = "fine"};
  });
  const auto asked = multi_if::ask(run, model, dialogues);
  EXPECT_EQ(asked.failures.size(), 2u);
  const auto summary = multi_if::grade_all(dialogues, asked).summary;
  EXPECT_EQ(summary["turn_1"]["overall"], 1.0);
  EXPECT_EQ(summary["turn_2"]["overall"], 0.0);
}

TEST(MultiIfOracle, ThePublishedFileLoadsWhole) {
  SKIP_WITHOUT_TEST_DATA();
  ifeval::Models models;
  const auto loaded =
      multi_if::load(test_data("multi_if/multiIF_20241018_english.csv"), ifeval::language("en"), models);
  EXPECT_EQ(loaded.dialogues.size(), 909u);
  size_t num_turns = 0;
  for (const multi_if::Dialogue& dialogue : loaded.dialogues) num_turns += dialogue.turns.size();
  EXPECT_EQ(num_turns, 3u * 909 - 13);
}

TEST(Corpus, PerplexityCountsBytesAndResumes) {
  const TemporaryFolder folder;
  int num_asked = 0;
  const auto whole = [&](const std::string& text) {
    ++num_asked;
    return Likelihood::Sum{.log_prob = -std::log(2.0) * static_cast<double>(text.size()),
                           .tokens = 2,
                           .bytes = std::ssize(text)};
  };
  for (int round = 0; round < 2; ++round) {
    RunFolder run(folder.path() / "run", {{"task", "perplexity"}});
    const auto summary = corpus::perplexity(run, {"abcd", "åä"}, whole).summary;
    EXPECT_NEAR(summary["byte_perplexity"].get<double>(), 2, 1e-12);
    EXPECT_NEAR(summary["bits_per_byte"].get<double>(), 1, 1e-12);
    EXPECT_NEAR(summary["token_perplexity"].get<double>(), 4, 1e-12);
  }
  EXPECT_EQ(num_asked, 2);
}

TEST(Corpus, FertilityIsTokensPerWord) {
  const TinyChatModel files;
  const auto summary = corpus::fertility(Tokenizer::load(files.path()), {"aa bb", "åä"}).summary;
  EXPECT_DOUBLE_EQ(summary["tokens_per_word"].get<double>(), 9.0 / 3);  // A token per byte, spaces too.
  EXPECT_DOUBLE_EQ(summary["bytes_per_token"].get<double>(), 1);
}

TEST(Likelihood, TheContinuationIsWhatTheWholeAddsToTheText) {
  const TinyChatModel files;
  const auto device = Device::cpu(1);
  Llama llama = Llama::load(*device, files.path(), {});
  const Tokenizer tokenizer = Tokenizer::load(files.path());
  Likelihood likelihood(llama, tokenizer, TinyChatModel::kContext);
  const auto one = [&](const std::string& text, const std::string& continuation) {
    return likelihood(text, {&continuation, 1})[0];
  };
  const double both = one("", "Kissa istuu"), first = one("", "Kissa"), second = one("Kissa", " istuu");
  EXPECT_NEAR(both, first + second, 1e-3);            // Through the model in bf16, at other batch shapes.
  EXPECT_NEAR(one("Kissa ", "istuu"), second, 1e-3);  // The space goes with the continuation.
  EXPECT_NEAR(likelihood.whole("Kissa istuu").log_prob, both, 1e-3);
  EXPECT_LT(one(std::string(500, 'x'), " y"), 0);  // Longer than the context: cut at the front.
  EXPECT_THROW(one("x", ""), Error);
}

TEST(Likelihood, AnswersToOneQuestionAreScoredAsAlone) {
  const TinyChatModel files;
  const auto device = Device::reference();
  Llama llama = Llama::load(*device, files.path(), {});
  const Tokenizer tokenizer = Tokenizer::load(files.path());
  Likelihood likelihood(llama, tokenizer, TinyChatModel::kContext);
  const std::vector<std::string> answers = {" mies", " mieli", " talo", " mies kulki"};
  for (const std::string& text : {std::string("Vanha"), std::string(), std::string(200, 'x')}) {
    const std::vector<double> together = likelihood(text, answers);
    for (size_t i = 0; i < answers.size(); ++i)
      EXPECT_NEAR(together[i], likelihood(text, {&answers[i], 1})[0], 1e-9) << text << answers[i];
  }
}

}  // namespace
}  // namespace poro
