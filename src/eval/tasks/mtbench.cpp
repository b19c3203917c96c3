#include "eval/tasks/mtbench.h"

#include <algorithm>
#include <charconv>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "eval/fill.h"
#include "eval/json_lines.h"
#include "eval/pattern.h"

namespace poro::mtbench {
namespace {

// "0.97" of 0.9731, as Python prints round(x, 2).
std::string rounded(double probability) {
  std::string text = fmt::format("{:.2f}", probability);
  while (text.ends_with('0') && !text.ends_with(".0")) text.pop_back();
  return text;
}

std::vector<std::string> text_list(const nlohmann::json& object, const char* name, const std::string& where) {
  const auto found = object.find(name);
  const bool is_list =
      found != object.end() && found->is_array() && !found->empty() &&
      std::all_of(found->begin(), found->end(), [](const auto& turn) { return turn.is_string(); });
  if (!is_list) fail("{}: \"{}\" must be a list of texts", where, name);
  return *found;
}

int64_t question_id(const nlohmann::json& object, const std::string& where) {
  const auto found = object.find("question_id");
  if (found == object.end() || !found->is_number_integer())
    fail("{}: \"question_id\" must be a whole number", where);
  return *found;
}

}  // namespace

std::vector<Question> load(const std::filesystem::path& path) {
  std::vector<Question> questions;
  for (const JsonLines::Line& line : read_whole_json_lines(path).lines) {
    const std::string where = fmt::format("{}, line {}", path.string(), line.number);
    Question question{.id = question_id(line.json, where),
                      .category = text_member(line.json, "category", where),
                      .turns = text_list(line.json, "turns", where)};
    if (question.turns.size() > 2) fail("{}: a question has at most two turns", where);
    for (const Question& other : questions)
      if (other.id == question.id) fail("{}: question {} comes twice", where, question.id);
    questions.push_back(std::move(question));
  }
  if (questions.empty()) fail("{} holds no questions", path.string());
  return questions;
}

double temperature(std::string_view category) {
  static const std::map<std::string_view, double> kTemperatures = {
      {"writing", 0.7}, {"roleplay", 0.7},  {"extraction", 0.0}, {"math", 0.0},
      {"coding", 0.0},  {"reasoning", 0.0}, {"stem", 0.1},       {"humanities", 0.1}};
  const auto found = kTemperatures.find(category);
  return found == kTemperatures.end() ? 0.7 : found->second;
}

bool needs_reference(std::string_view category) {
  return category == "math" || category == "reasoning" || category == "coding";
}

ChatRequest render(const Question& question, size_t turn, const std::vector<std::string>& answers) {
  CHECK(turn < question.turns.size() && answers.size() >= turn, "turn {}", turn);
  ChatRequest request{.temperature = temperature(question.category)};
  for (size_t i = 0; i <= turn; ++i) {
    request.messages.push_back({.role = "user", .content = question.turns[i]});
    if (i < turn) request.messages.push_back({.role = "assistant", .content = answers[i]});
  }
  return request;
}

Answers read_answers(const std::filesystem::path& path) {
  JsonLines lines = read_json_lines(path);
  Answers answers{.model = path.stem().string(),
                  .turns = {},
                  .num_repeated = 0,
                  .num_blank_lines = lines.num_blank,
                  .broken = std::move(lines.broken)};
  for (const JsonLines::Line& line : lines.lines) {
    const std::string where = fmt::format("{}, line {}", path.string(), line.number);
    try {
      const int64_t id = question_id(line.json, where);
      const auto choices = line.json.find("choices");
      if (choices == line.json.end() || !choices->is_array() || choices->empty())
        fail("{}: \"choices\" must be a list", where);
      answers.num_repeated +=
          !answers.turns.insert_or_assign(id, text_list(choices->front(), "turns", where)).second;
      answers.model = line.json.value("model_id", answers.model);
    } catch (const Error& error) {
      answers.broken.push_back(error.what());
    } catch (const nlohmann::json::exception&) {
      answers.broken.push_back(fmt::format("{}: the choices are no objects", where));
    }
  }
  if (answers.turns.empty()) fail("{} holds no answers", path.string());
  return answers;
}

void write_answers(const std::filesystem::path& path, const Answers& answers) {
  std::string lines;
  for (const auto& [id, turns] : answers.turns) {
    const nlohmann::ordered_json choices = {{{"index", 0}, {"turns", turns}}};
    const std::string hash = sha256(fmt::format("{} {} {}", answers.model, id, choices.dump()));
    lines += nlohmann::ordered_json{{"question_id", id},
                                    {"answer_id", hash.substr(0, 22)},
                                    {"model_id", answers.model},
                                    {"choices", choices}}
                 .dump() +
             "\n";
  }
  write_file_atomic(path, lines);
}

JudgePrompts read_judge_prompts(const std::filesystem::path& path) {
  JudgePrompts prompts;
  for (const JsonLines::Line& line : read_whole_json_lines(path).lines) {
    const std::string where = fmt::format("{}, line {}", path.string(), line.number);
    JudgePrompt prompt{.name = text_member(line.json, "name", where),
                       .system = text_member(line.json, "system_prompt", where),
                       .text = text_member(line.json, "prompt_template", where)};
    prompts.insert_or_assign(prompt.name, std::move(prompt));
  }
  for (const Mode mode : {Mode::kSingle, Mode::kPair})
    for (const char* category : {"math", "writing"})
      for (const size_t turn : {0, 1}) judge_prompt(prompts, mode, category, turn);
  return prompts;
}

const JudgePrompt& judge_prompt(const JudgePrompts& prompts, Mode mode, std::string_view category,
                                size_t turn) {
  const bool has_reference = needs_reference(category);
  const std::string name = fmt::format("{}{}{}", mode == Mode::kSingle ? "single" : "pair",
                                       has_reference           ? "-math-v1"
                                       : mode == Mode::kSingle ? "-v1"
                                                               : "-v2",
                                       turn > 0 ? "-multi-turn" : "");
  const auto found = prompts.find(name);
  if (found == prompts.end())
    fail("the judge prompts hold none named \"{}\"; use FastChat's judge_prompts.jsonl", name);
  return found->second;
}

std::string judge_text(const JudgePrompt& prompt, const Question& question, size_t turn,
                       const std::vector<Turns>& answers, const Turns& reference) {
  Gaps gaps = {{"question", question.turns[0]}};
  for (size_t i = 0; i <= turn; ++i) {
    gaps[fmt::format("question_{}", i + 1)] = question.turns[i];
    if (i < reference.size()) gaps[fmt::format("ref_answer_{}", i + 1)] = reference[i];
  }
  for (size_t model = 0; model < answers.size(); ++model) {
    const std::string name = answers.size() == 1 ? "answer" : model == 0 ? "answer_a" : "answer_b";
    gaps[name] = answers[model][0];
    for (size_t i = 0; i <= turn; ++i) gaps[fmt::format("{}_{}", name, i + 1)] = answers[model][i];
  }
  return fill(prompt.text, gaps);
}

double rating(std::string_view judgment) {
  static const Pattern kRating(R"(\[\[(\d+\.?\d*)\]\])"), kBackup(R"(\[(\d+\.?\d*)\])");
  for (const Pattern* pattern : {&kRating, &kBackup}) {
    std::string number;
    pattern->for_each(judgment, [&](const Pattern::Groups& groups) {
      if (number.empty()) number = groups[1];
    });
    double value = 0;
    if (!number.empty() &&
        std::from_chars(number.data(), number.data() + number.size(), value).ec == std::errc())
      return value;
  }
  return kNoRating;
}

std::string winner(std::string_view judgment) {
  for (const auto& [mark, name] :
       {std::pair{"[[A]]", "A"}, std::pair{"[[B]]", "B"}, std::pair{"[[C]]", "tie"}})
    if (judgment.find(mark) != std::string_view::npos) return name;
  return "error";
}

std::string language_judgment(const LanguageGate& gate, const LanguageGate::Result& answer) {
  return fmt::format("Language error. Target lang is {}. Answer is {} ({}). Rating: [[1]] ", gate.language(),
                     answer.language, rounded(answer.probability));
}

std::string language_judgment(const LanguageGate& gate, const LanguageGate::Result& a,
                              const LanguageGate::Result& b) {
  const char* verdict = a.is_right && !b.is_right ? "A" : b.is_right && !a.is_right ? "B" : "error";
  return fmt::format(
      "Language error. Target lang is {}. Model A is {} ({}). Model B is {} ({}).\n\nFinal verdict: [[{}]] ",
      gate.language(), a.language, rounded(a.probability), b.language, rounded(b.probability), verdict);
}

}  // namespace poro::mtbench
