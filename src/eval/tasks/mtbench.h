// MT-Bench: 80 questions of two turns in 8 categories; a judge rates each answer from 1 to 10 or compares two
// models' answers. Zheng et al., Judging LLM-as-a-judge with MT-Bench and Chatbot Arena, 2023. Reads and
// writes FastChat's files (https://github.com/lm-sys/FastChat, fastchat/llm_judge).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "eval/chat.h"
#include "eval/language_gate.h"

namespace poro::mtbench {

struct Question {
  int64_t id;
  std::string category;
  std::vector<std::string> turns;  // 1 or 2.
};
// Throws Error, also for an id that comes twice.
std::vector<Question> load(const std::filesystem::path& path);

// The sampling temperature with which FastChat asks a category's questions; 0.7 where it names none.
double temperature(std::string_view category);
// Whether the category's judge is shown a reference answer.
bool needs_reference(std::string_view category);

// The request for a turn (from 0), after the answers to the turns before it.
ChatRequest render(const Question& question, size_t turn, const std::vector<std::string>& answers);

struct Answers {
  std::string model;
  std::map<int64_t, std::vector<std::string>> turns;  // By question.
  size_t num_repeated = 0, num_blank_lines = 0;
  std::vector<std::string> broken;
};
// The first choice of every line; the last line counts when a question comes twice. Throws Error when the
// file cannot be read or holds no answer.
Answers read_answers(const std::filesystem::path& path);
void write_answers(const std::filesystem::path& path, const Answers& answers);

struct JudgePrompt {
  std::string name, system, text;
};
using JudgePrompts = std::map<std::string, JudgePrompt, std::less<>>;
// FastChat's judge_prompts.jsonl. Throws Error, also when one of the eight prompts is missing.
JudgePrompts read_judge_prompts(const std::filesystem::path& path);

enum class Mode { kSingle, kPair };
// The prompt for a turn (from 0) of a category.
const JudgePrompt& judge_prompt(const JudgePrompts& prompts, Mode mode, std::string_view category,
                                size_t turn);

// What the judge reads: its user prompt, filled. `answers` is one model's turns, or two models' in the order
// in which they are shown; `reference` is empty where the category needs none.
using Turns = std::vector<std::string>;
std::string judge_text(const JudgePrompt& prompt, const Question& question, size_t turn,
                       const std::vector<Turns>& answers, const Turns& reference);

// The last-resort value of a rating that cannot be found, as FastChat writes it.
constexpr double kNoRating = -1;
// The number in "[[8]]", else in "[8]"; kNoRating without one.
double rating(std::string_view judgment);
// "A", "B", "tie" or "error", by which of [[A]], [[B]], [[C]] the judgment holds, looked for in this order.
std::string winner(std::string_view judgment);

// What FastChat writes in place of a judgment when the language is wrong: the rating 1, or the verdict for
// the one that is right ("error" when neither is).
std::string language_judgment(const LanguageGate& gate, const LanguageGate::Result& answer);
std::string language_judgment(const LanguageGate& gate, const LanguageGate::Result& a,
                              const LanguageGate::Result& b);

}  // namespace poro::mtbench
