#include "eval/tasks/gsm8k.h"

#include "base/error.h"
#include "eval/json_lines.h"
#include "eval/pattern.h"
#include "eval/python_random.h"
#include "eval/python_text.h"

namespace poro::gsm8k {
namespace {

constexpr uint32_t kSeed = 1234;
constexpr int64_t kAnswerTokens = 256;

std::string asked(const Question& question) {
  return "Question: " + question.question + "\nAnswer:";
}

// What exact_match leaves of both sides before it compares them.
std::string compared(const std::string& text) {
  static const Pattern kBeforeNumber(R"((?s).*#### )"), kLastPeriod(R"(\.$)");
  std::string kept = python::replace(python::replace(text, ",", ""), "$", "");
  kept = kLastPeriod.replaced(kBeforeNumber.replaced(kept, ""), "");
  return python::lower(kept);
}

std::string strict_number(const std::string& answer) {
  static const Pattern kNumber(R"(#### (\-?[0-9\.\,]+))");
  std::string found = "[invalid]";
  bool is_first = true;
  kNumber.for_each(answer, [&](const Pattern::Groups& groups) {
    if (is_first) found = groups[1];
    is_first = false;
  });
  return found;
}

std::string last_number(const std::string& answer) {
  static const Pattern kNumber(R"((-?[$0-9.,]{2,})|(-?[0-9]+))");
  std::string found = "[invalid]";
  kNumber.for_each(answer, [&](const Pattern::Groups& groups) { found = python::strip(groups[0]); });
  return found;
}

}  // namespace

std::vector<Question> load(const std::filesystem::path& path) {
  std::vector<Question> questions;
  for (const JsonLines::Line& line : read_whole_json_lines(path).lines) {
    const std::string where = fmt::format("{}, line {}", path.string(), line.number);
    questions.push_back({.question = text_member(line.json, "question", where),
                         .answer = text_member(line.json, "answer", where)});
  }
  if (questions.empty()) fail("{} holds no questions", path.string());
  return questions;
}

std::vector<ChatRequest> render(std::span<const Question> questions, std::span<const Question> pool,
                                size_t num_examples) {
  if (pool.size() < num_examples)
    fail("{} examples are asked for, and the pool has {} rows; name the training split with --examples",
         num_examples, pool.size());
  python::Random random(kSeed);
  std::vector<ChatRequest> requests;
  for (const Question& question : questions) {
    std::string text;
    for (const size_t i : random.sample({.population = pool.size(), .count = num_examples}))
      text += asked(pool[i]) + " " + pool[i].answer + "\n\n";
    requests.push_back({.text = text + asked(question),
                        .stop = {"Question:", "</s>", "<|im_end|>"},
                        .max_new_tokens = kAnswerTokens});
  }
  return requests;
}

Grade grade(const Question& question, const std::string& answer) {
  const std::string gold = compared(question.answer);
  return {.is_strict = compared(strict_number(answer)) == gold,
          .is_flexible = compared(last_number(answer)) == gold};
}

Result grade_all(std::span<const Question> questions, std::span<const ChatReply> replies) {
  CHECK(questions.size() == replies.size(), "{} replies", replies.size());
  Result result;
  size_t num_strict = 0, num_flexible = 0, num_failed = 0;
  for (size_t i = 0; i < questions.size(); ++i) {
    const bool is_answered = replies[i].status == ChatReply::Status::kAnswered;
    const Grade verdict = is_answered ? grade(questions[i], replies[i].text) : Grade{false, false};
    num_failed += !is_answered;
    num_strict += verdict.is_strict;
    num_flexible += verdict.is_flexible;
    result.items.push_back(
        {.id = std::to_string(i + 1),
         .category = {},
         .turns = {{.prompt = questions[i].question,
                    .answer = replies[i].text,
                    .verdict = fmt::format("strict {}, flexible {}; the answer:\n{}",
                                           verdict.is_strict ? "yes" : "no",
                                           verdict.is_flexible ? "yes" : "no", questions[i].answer)}},
         .score = verdict.is_strict ? 1 : 0});
  }
  const auto n = static_cast<double>(questions.size());
  const auto [low, high] = wilson_interval({.successes = num_strict, .trials = questions.size()});
  result.summary = {{"task", "gsm8k"},
                    {"questions", questions.size()},
                    {"headline", headline("exact match, strict, %", 100 * static_cast<double>(num_strict) / n,
                                          Interval{.low = 100 * low, .high = 100 * high})},
                    {"strict_match", static_cast<double>(num_strict) / n},
                    {"flexible_extract", static_cast<double>(num_flexible) / n},
                    {"items", {{"failed", num_failed}}}};
  return result;
}

}  // namespace poro::gsm8k
