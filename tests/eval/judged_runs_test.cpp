// MT-Bench, pairwise and AlpacaEval from questions to numbers, with models and judges whose answers are
// known.
#include "eval/tasks/alpaca_run.h"
#include "eval/tasks/mtbench_run.h"
#include "tests/eval/eval_data.h"
#include "tests/eval/fake_chat.h"

namespace poro {
namespace {

const std::vector<mtbench::Question> kQuestions = {
    {.id = 1, .category = "writing", .turns = {"Write.", "Shorter."}},
    {.id = 2, .category = "math", .turns = {"1+1?", "2+2?"}}};

mtbench::JudgePrompts judge_prompts() {
  mtbench::JudgePrompts prompts;
  for (const char* kind : {"single-v1", "pair-v2"})
    for (const char* ending : {"", "-multi-turn"}) {
      const bool is_single = std::string(kind) == "single-v1", is_second = ending[0] != '\0';
      const std::string general =
          is_single ? (is_second ? "{question_2}: {answer_2}" : "{question}: {answer}")
                    : (is_second ? "{answer_a_2} or {answer_b_2}" : "{answer_a} or {answer_b}");
      const std::string math = is_single ? "single-math-v1" : "pair-math-v1";
      prompts[kind + std::string(ending)] = {
          .name = kind + std::string(ending), .system = "Judge.", .text = general};
      prompts[math + ending] = {
          .name = math + ending, .system = "Judge.", .text = "{ref_answer_1} | " + general};
    }
  return prompts;
}

mtbench::Answers answers(const std::string& model, const std::string& text) {
  return {
      .model = model, .turns = {{1, {text + "1", text + "2"}}, {2, {text + "3", text + "4"}}}, .broken = {}};
}

struct Bench {
  TemporaryFolder folder;
  RunFolder run{folder.path() / "run", {{"task", "test"}}};
  mtbench::JudgePrompts prompts = judge_prompts();
  mtbench::Answers references = answers("reference", "ref");

  mtbench::JudgeSetup setup(ChatModel& judge, const LanguageGate* gate = nullptr) {
    return {.judge = judge, .name = "judge", .prompts = prompts, .references = &references, .gate = gate};
  }
};

TEST(MtBenchRun, TheSecondTurnIsAskedAfterTheFirstAnswer) {
  Bench run;
  FakeChat model([](const ChatRequest& request) {
    return ChatReply{.text = " " + std::to_string(request.messages.size()) + " messages "};
  });
  const mtbench::Asked asked = mtbench::ask(run.run, model, "m", kQuestions);
  EXPECT_EQ(asked.answers.turns.at(1), (std::vector<std::string>{"1 messages", "3 messages"}));
  ASSERT_EQ(model.asked.size(), 4u);
  EXPECT_EQ(model.asked[3].messages[1].content, "1 messages");
  EXPECT_EQ(model.asked[3].max_new_tokens, 1024);
}

TEST(MtBenchRun, AFailedAnswerIsLeftOutAndCounted) {
  Bench run;
  FakeChat model([](const ChatRequest& request) {
    return request.messages[0].content == "1+1?" ? failed("too long") : ChatReply{.text = "text"};
  });
  const mtbench::Asked asked = mtbench::ask(run.run, model, "m", kQuestions);
  EXPECT_FALSE(asked.answers.turns.contains(2));
  ASSERT_EQ(asked.failures.size(), 1u);
  EXPECT_NE(asked.failures[0].find("question 2, turn 1: too long"), std::string::npos);
  FakeChat judge("[[8]]");
  const auto summary =
      mtbench::grade(mtbench::judge_single(run.run, run.setup(judge), kQuestions, asked.answers), kQuestions);
  EXPECT_EQ(summary["ratings"], 2);
  EXPECT_EQ(summary["judgments"]["missing"], 2);
}

TEST(MtBenchRun, RatingsComeFromTheJudgeAndFailuresFromNobody) {
  Bench run;
  FakeChat judge([](const ChatRequest& request) {
    const std::string& text = request.messages[1].content;
    if (text == "Write.: a1") return ChatReply{.text = "Rating: [[9]]"};
    if (text == "Shorter.: a2") return ChatReply{.text = "I like it."};
    if (text == "ref3 | 1+1?: a3") return ChatReply{.text = "[[5]]"};
    return failed("down");
  });
  const mtbench::Answers ours = answers("m", "a");
  const auto ratings = mtbench::judge_single(run.run, run.setup(judge), kQuestions, ours);
  const auto summary = mtbench::grade(ratings, kQuestions);
  EXPECT_EQ(summary["score"], 7.0);
  EXPECT_EQ(summary["judgments"]["without_rating"], 1);
  EXPECT_EQ(summary["judgments"]["judge_failed"], 1);
  EXPECT_EQ(judge.asked[0].messages[0].content, "Judge.");
  EXPECT_EQ(judge.asked[0].temperature, 0);
  const auto items = mtbench::items(ratings, kQuestions, ours);
  ASSERT_EQ(items.size(), 4u);
  EXPECT_EQ(items[0].turns[0].answer, "a1");
}

TEST(MtBenchRun, AMissingReferenceIsAnError) {
  Bench run;
  FakeChat judge("[[8]]");
  run.references.turns.erase(2);
  EXPECT_THROW(mtbench::judge_single(run.run, run.setup(judge), kQuestions, answers("m", "a")), Error);
}

TEST(MtBenchRun, PairsAreJudgedInBothOrders) {
  Bench run;
  // Prefers "good" wherever it stands, and else the first place.
  FakeChat judge([](const ChatRequest& request) {
    const std::string& text = request.messages[1].content;
    const size_t cut = text.find(" or ");
    if (text.find("good", cut) != std::string::npos) return ChatReply{.text = "[[B]]"};
    return ChatReply{.text = "[[A]]"};
  });
  mtbench::Answers ours = answers("m", "a");
  ours.turns[1][0] = "good";
  const mtbench::Answers theirs = answers("b", "b");
  const auto comparisons =
      mtbench::judge_pairs(run.run, run.setup(judge), kQuestions, {.model = ours, .baseline = theirs});
  EXPECT_EQ(judge.asked.size(), 8u);
  const auto summary = mtbench::grade(comparisons, kQuestions);
  EXPECT_EQ(summary["wins"], 1);
  EXPECT_EQ(summary["ties"], 3);
  EXPECT_EQ(summary["judge_behaviour"]["agreement"], 0.25);
  EXPECT_EQ(summary["judge_behaviour"]["first_place_share"], 7.0 / 8);
}

TEST(MtBenchRun, AWrongLanguageNeverReachesTheJudge) {
  SKIP_WITHOUT_EVAL_DATA();
  Bench run;
  const LanguageGate gate("fi", eval_data_file("lid.176.ftz"));
  FakeChat judge("[[A]] [[8]]");
  mtbench::Answers ours = answers("m", "Tämä on suomenkielinen vastaus numero ");
  mtbench::Answers theirs = answers("b", "This is an English answer, number ");
  const auto single = mtbench::judge_single(run.run, run.setup(judge, &gate), kQuestions, theirs);
  for (const mtbench::Rating& row : single.rows) EXPECT_EQ(row.score, 1);
  const auto pairs =
      mtbench::judge_pairs(run.run, run.setup(judge, &gate), kQuestions, {.model = ours, .baseline = theirs});
  EXPECT_TRUE(judge.asked.empty());
  EXPECT_EQ(mtbench::grade(pairs, kQuestions)["wins"], 4);
  const auto both_wrong = mtbench::judge_pairs(run.run, run.setup(judge, &gate), kQuestions,
                                               {.model = theirs, .baseline = theirs});
  EXPECT_EQ(mtbench::grade(both_wrong, kQuestions)["ties"], 4);
}

constexpr const char* kTemplate = "<|im_start|>user\n{instruction}: {output_1} or {output_2}\n<|im_end|>\n";

alpaca::Outputs outputs(const std::string& text) {
  alpaca::Outputs outputs;
  for (int i = 0; i < 6; ++i)
    outputs.rows.push_back(
        {.instruction = "i" + std::to_string(i), .output = text, .generator = text, .dataset = "d"});
  return outputs;
}

TEST(AlpacaRun, TheBetterAnswerWinsInEitherPlace) {
  const TemporaryFolder folder;
  RunFolder run(folder.path() / "run", {{"task", "test"}});
  FakeChat model([](const ChatRequest& request) {
    return request.messages[0].content == "i5" ? failed("no") : ChatReply{.text = "good"};
  });
  const alpaca::Asked asked = alpaca::ask(run, model, "m", outputs("bad"));
  EXPECT_EQ(model.asked[0].temperature, 0.6);
  EXPECT_EQ(asked.failures.size(), 1u);
  alpaca::Pairs pairs = alpaca::pair_up(outputs("bad"), asked.outputs);
  EXPECT_EQ(pairs.num_missing, 1u);
  FakeChat judge([](const ChatRequest& request) {
    const std::string& text = request.messages[0].content;
    const bool is_first = text.find("good") < text.find(" or ");
    return ChatReply{.text = "m",
                     .first_token = {{"m", is_first ? -0.1 : -3.0}, {"M", is_first ? -3.0 : -0.1}}};
  });
  const alpaca::Judged judged = alpaca::judge(run,
                                              {.judge = judge,
                                               .name = "judge",
                                               .prompt_template = kTemplate,
                                               .gate = nullptr,
                                               .orders = alpaca::JudgeSetup::Orders::kBoth},
                                              pairs.rows);
  EXPECT_EQ(judge.asked.size(), 10u);
  EXPECT_EQ(judge.asked[0].max_new_tokens, 1);
  const double expected = 100 / (1 + std::exp(-2.9));
  EXPECT_NEAR(alpaca::grade(judged.rows).win_rate, expected, 1e-9);
  const auto behaviour = alpaca::judge_behaviour(judged);
  EXPECT_EQ(behaviour["agreement"], 1.0);
  EXPECT_NEAR(behaviour["first_place_share"].get<double>(), 0.5, 1e-12);
  EXPECT_NEAR(behaviour["win_rate_over_both_orders"].get<double>(), expected, 1e-9);
}

TEST(AlpacaRun, AJudgeWithoutOddsOrAnswerIsCountedAndEqualAnswersAreADraw) {
  const TemporaryFolder folder;
  RunFolder run(folder.path() / "run", {{"task", "test"}});
  alpaca::Outputs ours = outputs("same");
  for (const size_t i : {0, 1, 2, 3}) ours.rows[i].output = "ours";
  FakeChat judge([](const ChatRequest& request) {
    const std::string id = request.messages[0].content.substr(0, 2);
    if (id == "i0") return failed("down");
    if (id == "i1") return ChatReply{.text = "m"};
    if (id == "i2") return ChatReply{.text = "Both", .first_token = {{"Both", -0.1}}};
    return ChatReply{.text = "M", .first_token = {{"M", -0.1}, {"m", -0.1}}};
  });
  const alpaca::Judged judged = alpaca::judge(run,
                                              {.judge = judge,
                                               .name = "judge",
                                               .prompt_template = kTemplate,
                                               .gate = nullptr,
                                               .orders = alpaca::JudgeSetup::Orders::kSeeded},
                                              alpaca::pair_up(outputs("same"), ours).rows);
  EXPECT_EQ(judged.failures.size(), 1u);
  EXPECT_EQ(judged.num_without_odds, 2u);
  const alpaca::Scores scores = alpaca::grade(judged.rows);
  EXPECT_EQ(scores.num_without_preference, 3u);
  EXPECT_EQ(scores.num_draws, 3u);
}

TEST(AlpacaRun, TheBaselineWinsOverAWrongLanguage) {
  SKIP_WITHOUT_EVAL_DATA();
  const TemporaryFolder folder;
  RunFolder run(folder.path() / "run", {{"task", "test"}});
  const LanguageGate gate("fi", eval_data_file("lid.176.ftz"));
  FakeChat judge("m");
  const alpaca::Judged judged = alpaca::judge(
      run,
      {.judge = judge,
       .name = "judge",
       .prompt_template = kTemplate,
       .gate = &gate,
       .orders = alpaca::JudgeSetup::Orders::kBoth},
      alpaca::pair_up(outputs("Suomeksi vastattu."), outputs("Answered in plain English.")).rows);
  EXPECT_TRUE(judge.asked.empty());
  EXPECT_EQ(judged.num_wrong_language, 6u);
  EXPECT_EQ(alpaca::grade(judged.rows).win_rate, 0);
}

}  // namespace
}  // namespace poro
