#include "eval/tasks/mtbench.h"

#include "eval/tasks/mtbench_scores.h"
#include "tests/eval/eval_data.h"

namespace poro::mtbench {
namespace {

const std::vector<Question> kQuestions = {{.id = 1, .category = "writing", .turns = {"Write.", "Shorter."}},
                                          {.id = 2, .category = "math", .turns = {"1+1?", "2+2?"}}};

TEST(MtBench, ReadsRatingsAsFastChatDoes) {
  EXPECT_EQ(rating("Good. Rating: [[8]]"), 8);
  EXPECT_EQ(rating("Rating: [[8.5]] or [[3]]"), 8.5);
  EXPECT_EQ(rating("Rating: [7] but [[6]]"), 6);
  EXPECT_EQ(rating("Rating: [7]"), 7);
  EXPECT_EQ(rating("Rating: [[10]]"), 10);
  EXPECT_EQ(rating("Rating: 9/10"), kNoRating);
  EXPECT_EQ(rating("[[rating]]"), kNoRating);
  EXPECT_EQ(rating(""), kNoRating);
}

TEST(MtBench, ReadsWinnersInFastChatsOrder) {
  EXPECT_EQ(winner("so [[A]]"), "A");
  EXPECT_EQ(winner("[[B]] although [[A]]"), "A");
  EXPECT_EQ(winner("[[C]]"), "tie");
  EXPECT_EQ(winner("[A]"), "error");
}

TEST(MtBench, CategoriesHaveFastChatsTemperatures) {
  for (const char* category : {"writing", "roleplay", "something new"}) EXPECT_EQ(temperature(category), 0.7);
  for (const char* category : {"stem", "humanities"}) EXPECT_EQ(temperature(category), 0.1);
  for (const char* category : {"extraction", "math", "coding", "reasoning"})
    EXPECT_EQ(temperature(category), 0);
  EXPECT_TRUE(needs_reference("math") && needs_reference("reasoning") && needs_reference("coding"));
  EXPECT_FALSE(needs_reference("writing") || needs_reference("extraction"));
}

TEST(MtBench, TheSecondTurnFollowsTheFirstAnswer) {
  const ChatRequest request = render(kQuestions[0], 1, {"Once upon a time."});
  ASSERT_EQ(request.messages.size(), 3u);
  EXPECT_EQ(request.messages[1].role, "assistant");
  EXPECT_EQ(request.messages[1].content, "Once upon a time.");
  EXPECT_EQ(request.messages[2].content, "Shorter.");
  EXPECT_EQ(request.temperature, 0.7);
}

TEST(MtBench, JudgeTextsAreFilledByTheirNames) {
  const JudgePrompt single{
      .name = "single-math-v1-multi-turn",
      .system = "",
      .text = "{question_1}|{ref_answer_1}|{question_2}|{ref_answer_2}|{answer_1}|{answer_2}"};
  EXPECT_EQ(judge_text(single, kQuestions[1], 1, {{"2", "4"}}, {"two", "four"}), "1+1?|two|2+2?|four|2|4");
  const JudgePrompt pair{.name = "pair-v2", .system = "", .text = "{question}|{answer_a}|{answer_b}"};
  EXPECT_EQ(judge_text(pair, kQuestions[0], 0, {{"{answer_b}"}, {"b"}}, {}), "Write.|{answer_b}|b");
}

Comparison compared(int64_t question, int turn, const std::string& first, const std::string& second) {
  return {.question = question,
          .turn = turn,
          .model_1 = "m",
          .model_2 = "b",
          .judge = "j",
          .prompt_name = "pair-v2",
          .first = {.winner = first, .user_prompt = "", .judgment = "x"},
          .second = {.winner = second, .user_prompt = "", .judgment = "x"}};
}

TEST(MtBench, AWinNeedsBothOrders) {
  EXPECT_EQ(result(compared(1, 1, "model_1", "model_1")), "win");
  EXPECT_EQ(result(compared(1, 1, "model_2", "model_2")), "loss");
  for (const auto& [first, second] :
       {std::pair{"model_1", "model_2"}, std::pair{"model_1", "tie"}, std::pair{"tie", "tie"},
        std::pair{"error", "error"}, std::pair{"error", "model_1"}})
    EXPECT_EQ(result(compared(1, 1, first, second)), "tie") << first << " " << second;
}

TEST(MtBench, PairwiseCountsAndTheJudgesBias) {
  const auto summary =
      grade(Judgments<Comparison>{.rows = {compared(1, 1, "model_1", "model_1"),
                                           compared(1, 2, "model_1", "model_2"), compared(2, 1, "tie", "tie"),
                                           compared(2, 2, "error", "model_2")}},
            kQuestions);
  EXPECT_EQ(summary["wins"], 1);
  EXPECT_EQ(summary["losses"], 0);
  EXPECT_EQ(summary["ties"], 3);
  EXPECT_EQ(summary["adjusted_win_rate"], 0.625);
  EXPECT_EQ(summary["categories"]["writing"], 0.75);
  EXPECT_EQ(summary["judge_behaviour"]["judged_in_both_orders"], 3);
  EXPECT_DOUBLE_EQ(summary["judge_behaviour"]["agreement"].get<double>(), 2.0 / 3);
  EXPECT_EQ(summary["judge_behaviour"]["first_place_share"], 0.75);  // 3 of 4 decided games.
  EXPECT_EQ(summary["judgments"]["with_an_error"], 1);
  EXPECT_THROW(grade(Judgments<Comparison>{.rows = {compared(1, 1, "error", "error")}}, kQuestions), Error);
}

TEST(MtBench, SingleScoresLeaveOutWhatHasNoRatingAndSaySo) {
  const auto row = [](int64_t question, int turn, double score, const std::string& judgment) {
    return Rating{.question = question,
                  .turn = turn,
                  .model = "m",
                  .judge = "j",
                  .prompt_name = "single-v1",
                  .user_prompt = "",
                  .judgment = judgment,
                  .score = score};
  };
  const auto summary =
      grade(Judgments<Rating>{.rows = {row(1, 1, 9, "[[9]]"), row(1, 2, 1, "Language error. Rating: [[1]]"),
                                       row(2, 1, -1, "nonsense")}},
            kQuestions);
  EXPECT_EQ(summary["score"], 5.0);
  EXPECT_EQ(summary["first_turn"], 9.0);
  EXPECT_EQ(summary["second_turn"], 1.0);
  EXPECT_EQ(summary["categories"]["writing"], 5.0);
  EXPECT_EQ(summary["judgments"]["missing"], 1);
  EXPECT_EQ(summary["judgments"]["without_rating"], 1);
  EXPECT_EQ(summary["judgments"]["wrong_language"], 1);
  EXPECT_THROW(grade(Judgments<Rating>{.rows = {row(1, 1, -1, "")}}, kQuestions), Error);
}

TEST(MtBench, FaultyJudgmentFilesAreCountedOrRefused) {
  const TemporaryFolder folder;
  const std::string good =
      R"({"question_id": 1, "model": "m", "judge": ["j", "single-v1"], "judgment": "[[5]]", "score": 5, "turn": 1})";
  const auto read = [&](const std::string& content, const std::string& model = "") {
    return read_ratings(folder.write("j.jsonl", content), model);
  };
  const auto judgments = read(good + "\n\n" + good + "\n{\"question_id\": 1}\nnonsense\n");
  EXPECT_EQ(judgments.rows.size(), 1u);
  EXPECT_EQ(judgments.num_repeated, 1u);
  std::string again = good, unknown = good;
  again.replace(again.find("\"score\": 5"), 10, "\"score\": 8");
  unknown.replace(unknown.find("\"question_id\": 1"), 16, "\"question_id\": 9");
  auto rejudged = read(good + "\n" + again + "\n" + again + "\n" + unknown + "\n");
  keep_known(rejudged, kQuestions);
  const auto summary = grade(rejudged, kQuestions);
  EXPECT_EQ(summary["score"], 6.5);
  EXPECT_EQ(summary["judgments"]["repeated"], 1);
  EXPECT_EQ(summary["judgments"]["judged_again"], 1);
  EXPECT_EQ(summary["judgments"]["unknown_question"], 1);
  EXPECT_EQ(judgments.num_blank_lines, 1u);
  EXPECT_EQ(judgments.broken.size(), 2u);
  std::string other = good;
  other.replace(other.find("\"m\""), 3, "\"n\"");
  EXPECT_THROW(read(good + "\n" + other + "\n"), Error);
  EXPECT_EQ(read(good + "\n" + other + "\n", "n").rows[0].model, "n");
  EXPECT_THROW(read(good, "x"), Error);
  EXPECT_THROW(read(""), Error);
}

TEST(MtBench, AnswersAndJudgmentsComeBackAsWritten) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "a.jsonl";
  Answers answers{.model = "m", .turns = {{2, {"x", "ä"}}, {1, {"y", "z"}}}, .broken = {}};
  write_answers(path, answers);
  const Answers read = read_answers(path);
  EXPECT_EQ(read.turns, answers.turns);
  EXPECT_EQ(read.model, "m");
  write_comparisons(path, {compared(1, 2, "model_1", "tie")});
  const auto comparisons = read_comparisons(path, {});
  EXPECT_EQ(comparisons.rows[0].second.winner, "tie");
  EXPECT_EQ(comparisons.rows[0].turn, 2);
  EXPECT_THROW(read_answers(folder.write("b.jsonl", "{\"question_id\": 1, \"choices\": []}\n")), Error);
}

TEST(MtBench, BrokenQuestionsAreErrors) {
  const TemporaryFolder folder;
  const std::string good = R"({"question_id": 1, "category": "math", "turns": ["a"]})";
  EXPECT_EQ(load(folder.write("q.jsonl", good)).size(), 1u);
  for (const std::string& content : {std::string(), good + "\n" + good, std::string(R"({"question_id": 1})"),
                                     std::string(R"({"question_id": 1, "category": "math", "turns": []})")})
    EXPECT_THROW(load(folder.write("q.jsonl", content)), Error) << content;
}

TEST(MtBench, AWrongLanguageLosesWithoutAJudge) {
  SKIP_WITHOUT_EVAL_DATA();
  const LanguageGate gate("fi", eval_data_file("lid.176.ftz"));
  const auto finnish = gate.check("Hyvää huomenta, mitä kuuluu tänään?"),
             english = gate.check("Good morning, how are you today?");
  EXPECT_TRUE(finnish.is_right);
  EXPECT_FALSE(english.is_right);
  EXPECT_FALSE(gate.check("  \n").is_right);
  EXPECT_EQ(rating(language_judgment(gate, english)), 1);
  EXPECT_EQ(winner(language_judgment(gate, finnish, english)), "A");
  EXPECT_EQ(winner(language_judgment(gate, english, finnish)), "B");
  EXPECT_EQ(winner(language_judgment(gate, english, english)), "error");
}

// From here on: against the published files.

TEST(MtBenchOracle, SingleTotals) {
  SKIP_WITHOUT_TEST_DATA();
  const auto ratings = read_ratings(test_data("mt_bench/model_judgment/gpt-4_single_da.jsonl"), "");
  const auto summary = grade(ratings, load(test_data("mt_bench/question.jsonl")));
  EXPECT_EQ(summary["first_turn"], 4.75);
  EXPECT_EQ(summary["second_turn"], 3.4375);
  EXPECT_EQ(summary["score"], 4.09375);
  EXPECT_EQ(summary["judgments"]["missing"], 0);
  EXPECT_EQ(summary["categories"].size(), 8u);
  for (const Rating& row : ratings.rows) EXPECT_EQ(rating(row.judgment), row.score) << row.judgment;
}

TEST(MtBenchOracle, PairwiseTotals) {
  SKIP_WITHOUT_TEST_DATA();
  const auto comparisons = read_comparisons(
      test_data(
          "mt_bench/model_judgment/"
          "gpt-4-turbo_pairwise-baseline_finnish-llama-3.1_llama70B_cpt_iter_0011920_bfloat16_fi.jsonl"),
      {});
  const auto summary = grade(comparisons, load(test_data("mt_bench/question_fi.jsonl")));
  EXPECT_EQ(summary["wins"], 89);
  EXPECT_EQ(summary["losses"], 20);
  EXPECT_EQ(summary["ties"], 51);
  EXPECT_EQ(summary["adjusted_win_rate"], 0.715625);
  for (const Comparison& row : comparisons.rows) {
    const auto name = [](const std::string& side, const char* a, const char* b) {
      return side == "A" ? a : side == "B" ? b : side.c_str();
    };
    const std::string first = winner(row.first.judgment), second = winner(row.second.judgment);
    EXPECT_EQ(name(first, "model_1", "model_2"), row.first.winner);
    EXPECT_EQ(name(second, "model_2", "model_1"), row.second.winner);
  }
}

// The judge read what we would have shown it: the prompts rebuilt from questions, references and the first
// model's answers are the recorded ones, with the second model's part taken from the record.
TEST(MtBenchOracle, JudgeTextsAreTheRecordedOnes) {
  SKIP_WITHOUT_TEST_DATA();
  const JudgePrompts prompts = read_judge_prompts(test_data("mt_bench/judge_prompts.jsonl"));
  const std::vector<Question> questions = load(test_data("mt_bench/question_fi.jsonl"));
  const Answers answers = read_answers(
      test_data("mt_bench/model_answer/finnish-llama-3.1_llama70B_cpt_iter_0011920_bfloat16_fi.jsonl"));
  const auto comparisons = read_comparisons(
      test_data(
          "mt_bench/model_judgment/"
          "gpt-4-turbo_pairwise-baseline_finnish-llama-3.1_llama70B_cpt_iter_0011920_bfloat16_fi.jsonl"),
      {});
  size_t num_equal = 0, num_compared = 0;
  for (const Comparison& row : comparisons.rows) {
    const auto question = std::find_if(questions.begin(), questions.end(),
                                       [&](const Question& q) { return q.id == row.question; });
    ASSERT_NE(question, questions.end());
    if (row.first.user_prompt == "NA") continue;  // The language decided.
    if (row.turn != 1 || needs_reference(question->category))
      continue;  // The references used are not at hand.
    const std::string mark = "[The Start of Assistant B's Answer]\n",
                      end = "\n[The End of Assistant B's Answer]";
    const size_t begin = row.first.user_prompt.rfind(mark) + mark.size();
    const std::string other =
        row.first.user_prompt.substr(begin, row.first.user_prompt.size() - end.size() - begin);
    const JudgePrompt& prompt = judge_prompt(prompts, Mode::kPair, question->category, 0);
    EXPECT_EQ(prompt.name, row.prompt_name);
    const std::string text = judge_text(prompt, *question, 0, {answers.turns.at(row.question), {other}}, {});
    num_equal += text == row.first.user_prompt;
    ++num_compared;
  }
  EXPECT_EQ(num_compared, 48u);
  EXPECT_EQ(num_equal, num_compared);
}

// The makers' identifier is GlotLID; lid.176 decides the same on every answer of the judged model.
TEST(MtBenchOracle, TheLanguageGateDecidesAsRecorded) {
  SKIP_WITHOUT_TEST_DATA();
  SKIP_WITHOUT_EVAL_DATA();
  const LanguageGate gate("fi", eval_data_file("lid.176.ftz"));
  const Answers answers = read_answers(
      test_data("mt_bench/model_answer/finnish-llama-3.1_llama70B_cpt_iter_0011920_bfloat16_fi.jsonl"));
  const auto comparisons = read_comparisons(
      test_data(
          "mt_bench/model_judgment/"
          "gpt-4-turbo_pairwise-baseline_finnish-llama-3.1_llama70B_cpt_iter_0011920_bfloat16_fi.jsonl"),
      {});
  size_t num_wrong = 0;
  for (const Comparison& row : comparisons.rows) {
    const std::string& judgment = row.first.judgment;
    const bool is_recorded_right =
        !judgment.starts_with("Language error") || judgment.find("Model A is fi ") != std::string::npos;
    num_wrong += !is_recorded_right;
    EXPECT_EQ(gate.check(answers.turns.at(row.question)[static_cast<size_t>(row.turn - 1)]).is_right,
              is_recorded_right)
        << row.question << " " << row.turn << " " << judgment.substr(0, 100);
  }
  RecordProperty("wrong_language", static_cast<int>(num_wrong));
}

}  // namespace
}  // namespace poro::mtbench
