#include "eval/tasks/mtbench_run.h"

#include "base/digest.h"
#include "base/error.h"
#include "eval/python_text.h"

namespace poro::mtbench {
namespace {

constexpr int64_t kAnswerTokens = 1024, kJudgmentTokens = 2048;

// One turn (from 0) of one question.
struct Match {
  const Question* question;
  size_t turn;
};

// FastChat's order: first turns before second ones, and within each the questions without reference first.
std::vector<Match> matches(std::span<const Question> questions, const std::vector<const Answers*>& answers) {
  std::vector<Match> matches;
  for (const size_t turn : {0, 1})
    for (const bool has_reference : {false, true})
      for (const Question& question : questions) {
        bool is_answered =
            needs_reference(question.category) == has_reference && question.turns.size() > turn;
        for (const Answers* model : answers) {
          const auto found = model->turns.find(question.id);
          is_answered = is_answered && found != model->turns.end() && found->second.size() > turn;
        }
        if (is_answered) matches.push_back({.question = &question, .turn = turn});
      }
  return matches;
}

Turns reference_of(const JudgeSetup& setup, const Match& match) {
  if (!needs_reference(match.question->category)) return {};
  if (setup.references == nullptr)
    fail("question {} ({}) is judged against a reference answer; name a file of them", match.question->id,
         match.question->category);
  const auto found = setup.references->turns.find(match.question->id);
  if (found == setup.references->turns.end() || found->second.size() <= match.turn)
    fail("the references hold no answer to turn {} of question {}", match.turn + 1, match.question->id);
  return found->second;
}

ChatRequest judge_request(const JudgePrompt& prompt, const std::string& text) {
  return {.messages = {{.role = "system", .content = prompt.system}, {.role = "user", .content = text}},
          .temperature = 0,
          .max_new_tokens = kJudgmentTokens};
}

std::string judgment_of(const ChatReply& reply) {
  return reply.status == ChatReply::Status::kAnswered ? reply.text : std::string(kJudgeError);
}

const Question& question_of(std::span<const Question> questions, int64_t id) {
  for (const Question& question : questions)
    if (question.id == id) return question;
  fail("question {} is judged but is not among the questions", id);
}

std::string turn_of(const Answers& answers, int64_t question, int turn) {
  const auto found = answers.turns.find(question);
  const auto at = static_cast<size_t>(turn - 1);
  return found == answers.turns.end() || found->second.size() <= at ? "" : found->second[at];
}

// Names of items; a turn that was judged again gets a name of its own.
class ItemIds {
 public:
  std::string operator()(int64_t question, int turn) {
    const int times = ++times_[{question, turn}];
    return fmt::format("{}.{}", question, turn) + (times > 1 ? fmt::format(" ({})", times) : "");
  }

 private:
  std::map<std::pair<int64_t, int>, int> times_;
};

}  // namespace

Asked ask(RunFolder& run, ChatModel& model, const std::string& name, std::span<const Question> questions) {
  Asked asked{.answers = {.model = name, .turns = {}, .broken = {}}, .failures = {}};
  std::vector<const Question*> open;
  for (const Question& question : questions) open.push_back(&question);
  for (size_t turn = 0; turn < 2; ++turn) {
    std::erase_if(open, [&](const Question* question) { return question->turns.size() <= turn; });
    std::vector<ChatRequest> requests;
    for (const Question* question : open) {
      requests.push_back(render(*question, turn, asked.answers.turns[question->id]));
      requests.back().max_new_tokens = kAnswerTokens;
    }
    const std::vector<ChatReply> replies =
        run.replies(model, fmt::format("answer turn {}", turn + 1), requests);
    std::vector<const Question*> answered;
    for (size_t i = 0; i < open.size(); ++i) {
      const int64_t id = open[i]->id;
      if (replies[i].status == ChatReply::Status::kAnswered) {
        asked.answers.turns[id].emplace_back(python::strip(replies[i].text));
        answered.push_back(open[i]);
      } else {
        asked.failures.push_back(fmt::format("question {}, turn {}: {}", id, turn + 1, replies[i].text));
        asked.answers.turns.erase(id);
      }
    }
    open = std::move(answered);
  }
  if (asked.answers.turns.empty()) fail("the model answered no question at all; {}", asked.failures.at(0));
  return asked;
}

Judgments<Rating> judge_single(RunFolder& run, const JudgeSetup& setup, std::span<const Question> questions,
                               const Answers& answers) {
  Judgments<Rating> judgments{.rows = {}};
  std::vector<ChatRequest> requests;
  std::vector<size_t> places;
  for (const Match& match : matches(questions, {&answers})) {
    const Question& question = *match.question;
    const Turns& turns = answers.turns.at(question.id);
    const JudgePrompt& prompt = judge_prompt(setup.prompts, Mode::kSingle, question.category, match.turn);
    Rating row{.question = question.id,
               .turn = static_cast<int>(match.turn) + 1,
               .model = answers.model,
               .judge = setup.name,
               .prompt_name = prompt.name,
               .user_prompt = "NA",
               .judgment = {},
               .score = kNoRating};
    const auto language = setup.gate == nullptr
                              ? LanguageGate::Result{.is_right = true, .language = {}, .probability = 1}
                              : setup.gate->check(turns[match.turn]);
    if (language.is_right) {
      row.user_prompt = judge_text(prompt, question, match.turn, {turns}, reference_of(setup, match));
      requests.push_back(judge_request(prompt, row.user_prompt));
      places.push_back(judgments.rows.size());
    } else {
      row.judgment = language_judgment(*setup.gate, language);
    }
    judgments.rows.push_back(std::move(row));
  }
  const std::vector<ChatReply> replies = run.replies(setup.judge, "judge", requests);
  for (size_t i = 0; i < replies.size(); ++i) {
    Rating& row = judgments.rows[places[i]];
    row.judgment = judgment_of(replies[i]);
    if (row.judgment == kJudgeError)
      judgments.failures.push_back(
          fmt::format("the judge, question {}, turn {}: {}", row.question, row.turn, replies[i].text));
  }
  for (Rating& row : judgments.rows) row.score = rating(row.judgment);
  return judgments;
}

Judgments<Comparison> judge_pairs(RunFolder& run, const JudgeSetup& setup,
                                  std::span<const Question> questions, const Contenders& contenders) {
  Judgments<Comparison> judgments{.rows = {}};
  std::vector<ChatRequest> requests;
  struct Place {
    size_t row;
    Comparison::Game Comparison::*game;
  };
  std::vector<Place> places;
  for (const Match& match : matches(questions, {&contenders.model, &contenders.baseline})) {
    const Question& question = *match.question;
    const std::vector<Turns> turns = {contenders.model.turns.at(question.id),
                                      contenders.baseline.turns.at(question.id)};
    const JudgePrompt& prompt = judge_prompt(setup.prompts, Mode::kPair, question.category, match.turn);
    Comparison row{.question = question.id,
                   .turn = static_cast<int>(match.turn) + 1,
                   .model_1 = contenders.model.model,
                   .model_2 = contenders.baseline.model,
                   .judge = setup.name,
                   .prompt_name = prompt.name,
                   .first = {},
                   .second = {}};
    LanguageGate::Result languages[2] = {{true, "", 1}, {true, "", 1}};
    for (const size_t i : {0, 1})
      if (setup.gate != nullptr) languages[i] = setup.gate->check(turns[i][match.turn]);
    for (const size_t a : {0, 1}) {
      Comparison::Game Comparison::*const game = a == 0 ? &Comparison::first : &Comparison::second;
      if (languages[0].is_right && languages[1].is_right) {
        const std::string text =
            judge_text(prompt, question, match.turn, {turns[a], turns[1 - a]}, reference_of(setup, match));
        (row.*game).user_prompt = text;
        requests.push_back(judge_request(prompt, text));
        places.push_back({.row = judgments.rows.size(), .game = game});
      } else {
        (row.*game).user_prompt = "NA";
        (row.*game).judgment = language_judgment(*setup.gate, languages[a], languages[1 - a]);
      }
    }
    judgments.rows.push_back(std::move(row));
  }
  const std::vector<ChatReply> replies = run.replies(setup.judge, "judge", requests);
  for (size_t i = 0; i < replies.size(); ++i) {
    Comparison& row = judgments.rows[places[i].row];
    std::string& judgment = (row.*places[i].game).judgment;
    judgment = judgment_of(replies[i]);
    if (judgment == kJudgeError)
      judgments.failures.push_back(
          fmt::format("the judge, question {}, turn {}: {}", row.question, row.turn, replies[i].text));
  }
  for (Comparison& row : judgments.rows) {
    const auto named = [](const std::string& side, const char* a, const char* b) {
      return side == "A" ? std::string(a) : side == "B" ? std::string(b) : side;
    };
    row.first.winner = named(winner(row.first.judgment), "model_1", "model_2");
    row.second.winner = named(winner(row.second.judgment), "model_2", "model_1");
  }
  return judgments;
}

std::vector<RunItem> items(const Judgments<Rating>& ratings, std::span<const Question> questions,
                           const Answers& answers) {
  std::vector<RunItem> items;
  ItemIds item_id;
  for (const Rating& row : ratings.rows) {
    const Question& question = question_of(questions, row.question);
    RunItem item{
        .id = item_id(row.question, row.turn), .category = question.category, .turns = {}, .score = {}};
    if (row.score != kNoRating) item.score = row.score;
    item.turns.push_back({.prompt = question.turns.at(static_cast<size_t>(row.turn - 1)),
                          .answer = turn_of(answers, row.question, row.turn),
                          .verdict = row.judgment});
    items.push_back(std::move(item));
  }
  return items;
}

std::vector<RunItem> items(const Judgments<Comparison>& comparisons, std::span<const Question> questions,
                           const Contenders& contenders) {
  std::vector<RunItem> items;
  ItemIds item_id;
  for (const Comparison& row : comparisons.rows) {
    const Question& question = question_of(questions, row.question);
    RunItem item{.id = item_id(row.question, row.turn),
                 .category = question.category,
                 .turns = {},
                 .score = points(row)};
    const std::string prompt = question.turns.at(static_cast<size_t>(row.turn - 1));
    item.turns.push_back({.prompt = prompt,
                          .answer = turn_of(contenders.model, row.question, row.turn),
                          .verdict = fmt::format("{}\n\nShown first: {}", result(row), row.first.judgment)});
    item.turns.push_back({.prompt = prompt + "\n\n(" + row.model_2 + ")",
                          .answer = turn_of(contenders.baseline, row.question, row.turn),
                          .verdict = "The model shown second: " + row.second.judgment});
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace poro::mtbench
