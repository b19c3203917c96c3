#include "eval/tasks/multi_if.h"

#include <algorithm>

#include "base/error.h"
#include "eval/csv.h"

namespace poro::multi_if {
namespace {

constexpr double kTemperature = 0.6, kTopP = 0.9;  // As the published runs.
constexpr int64_t kAnswerTokens = 1024;

nlohmann::json parsed(const std::string& cell, const std::string& where) {
  nlohmann::json json = nlohmann::json::parse(cell, nullptr, false);
  if (json.is_discarded()) fail("{} is no JSON", where);
  return json;
}

// One turn as a row of IFEval: its arguments are texts of JSON within a JSON list.
ifeval::Prompt read_turn(const Csv& csv, size_t row, size_t turn, const ifeval::Setting& setting) {
  const std::string name = fmt::format("turn_{}_", turn + 1),
                    where = fmt::format("{}, row {}, turn {}", csv.name, row + 2, turn + 1);
  const auto cell = [&](const char* part) { return csv.rows[row][csv.column(name + part)]; };
  nlohmann::json arguments = nlohmann::json::array();
  for (const nlohmann::json& text : parsed(cell("kwargs"), where)) {
    if (!text.is_string()) fail("{}: the arguments are no texts", where);
    arguments.push_back(parsed(text, where));
  }
  const nlohmann::json message = parsed(cell("prompt"), where);
  if (!message.is_object() || !message.contains("content")) fail("{}: the prompt is no message", where);
  return ifeval::read_prompt({{"key", csv.rows[row][csv.column("key")]},
                              {"prompt", message["content"]},
                              {"instruction_id_list", parsed(cell("instruction_id_list"), where)},
                              {"kwargs", arguments}},
                             where, setting);
}

struct Counts {
  size_t prompts = 0, instructions = 0;
  std::array<size_t, 2> followed_prompts{}, followed_instructions{};  // Strict, loose.

  // The mean of the four accuracies.
  double overall() const {
    double sum = 0;
    for (const size_t level : {0, 1})
      sum += static_cast<double>(followed_prompts[level]) / static_cast<double>(prompts) +
             static_cast<double>(followed_instructions[level]) / static_cast<double>(instructions);
    return sum / 4;
  }
  Counts& operator+=(const Counts& other) {
    prompts += other.prompts;
    instructions += other.instructions;
    for (const size_t level : {0, 1}) {
      followed_prompts[level] += other.followed_prompts[level];
      followed_instructions[level] += other.followed_instructions[level];
    }
    return *this;
  }
};
using TurnCounts = std::array<Counts, kTurns>;

Counts counted(const ifeval::Verdict& verdict) {
  Counts counts{.prompts = 1, .instructions = verdict.strict.size()};
  size_t level = 0;
  for (const std::vector<bool>* follows : {&verdict.strict, &verdict.loose}) {
    const auto number = static_cast<size_t>(std::count(follows->begin(), follows->end(), true));
    counts.followed_instructions[level] = number;
    counts.followed_prompts[level++] = number == follows->size();
  }
  return counts;
}

double mean_over_turns(const TurnCounts& turns) {
  double sum = 0, num_turns = 0;
  for (const Counts& counts : turns)
    if (counts.prompts > 0) sum += counts.overall(), ++num_turns;
  return num_turns == 0 ? 0 : sum / num_turns;
}

}  // namespace

Loaded load(const std::filesystem::path& path, const ifeval::Language& language, ifeval::Models& models) {
  const Csv csv = read_csv(path);
  const size_t key = csv.column("key"), row_language = csv.column("language");
  const std::string wanted = language.name;
  Loaded loaded;
  for (size_t row = 0; row < csv.rows.size(); ++row) {
    if (csv.rows[row][row_language] != wanted) {
      ++loaded.num_other_languages;
      continue;
    }
    Dialogue dialogue{.key = csv.rows[row][key], .turns = {}};
    for (size_t turn = 0; turn < kTurns; ++turn) {
      const std::string& prompt = csv.rows[row][csv.column(fmt::format("turn_{}_prompt", turn + 1))];
      if (prompt.empty() || prompt == "None") break;
      dialogue.turns.push_back(read_turn(csv, row, turn, {language, models}));
    }
    if (dialogue.turns.empty()) fail("{}, row {}: there is no first turn", csv.name, row + 2);
    loaded.dialogues.push_back(std::move(dialogue));
  }
  if (loaded.dialogues.empty()) fail("{} holds no dialogue in {}", csv.name, wanted);
  return loaded;
}

ChatRequest render(const Dialogue& dialogue, size_t turn, const std::vector<std::string>& answers) {
  CHECK(turn < dialogue.turns.size() && answers.size() >= turn, "turn {}", turn);
  ChatRequest request{.temperature = kTemperature, .top_p = kTopP, .max_new_tokens = kAnswerTokens};
  for (size_t i = 0; i <= turn; ++i) {
    request.messages.push_back({.role = "user", .content = dialogue.turns[i].text});
    if (i < turn) request.messages.push_back({.role = "assistant", .content = answers[i]});
  }
  return request;
}

Asked ask(RunFolder& run, ChatModel& model, const std::vector<Dialogue>& dialogues) {
  Asked asked{.answers = std::vector<std::vector<std::string>>(dialogues.size()), .failures = {}};
  for (size_t turn = 0; turn < kTurns; ++turn) {
    std::vector<size_t> open;
    std::vector<ChatRequest> requests;
    for (size_t i = 0; i < dialogues.size(); ++i)
      if (dialogues[i].turns.size() > turn && asked.answers[i].size() == turn) {
        open.push_back(i);
        requests.push_back(render(dialogues[i], turn, asked.answers[i]));
      }
    const std::vector<ChatReply> replies =
        run.replies(model, fmt::format("answer turn {}", turn + 1), requests);
    for (size_t i = 0; i < open.size(); ++i)
      if (replies[i].status == ChatReply::Status::kAnswered)
        asked.answers[open[i]].push_back(replies[i].text);
      else
        asked.failures.push_back(
            fmt::format("{}, turn {}: {}", dialogues[open[i]].key, turn + 1, replies[i].text));
  }
  return asked;
}

Result grade_all(const std::vector<Dialogue>& dialogues, const Asked& asked) {
  Result result;
  std::vector<TurnCounts> all;
  for (size_t i = 0; i < dialogues.size(); ++i) {
    TurnCounts turns{};
    RunItem item{
        .id = dialogues[i].key + "#" + std::to_string(i + 1), .category = {}, .turns = {}, .score = {}};
    double followed = 0;
    for (size_t turn = 0; turn < dialogues[i].turns.size(); ++turn) {
      const ifeval::Prompt& prompt = dialogues[i].turns[turn];
      const std::string answer = turn < asked.answers[i].size() ? asked.answers[i][turn] : "";
      const ifeval::Verdict verdict = ifeval::grade(prompt, answer);
      turns[turn] = counted(verdict);
      followed += static_cast<double>(turns[turn].followed_prompts[1]);
      item.turns.push_back(
          {.prompt = prompt.text, .answer = answer, .verdict = ifeval::verdict_text(prompt, verdict)});
    }
    item.score = followed / static_cast<double>(dialogues[i].turns.size());
    result.items.push_back(std::move(item));
    all.push_back(turns);
  }
  const auto sum_of = [&](std::span<const uint32_t> drawn) {
    TurnCounts sum{};
    for (const uint32_t i : drawn)
      for (size_t turn = 0; turn < kTurns; ++turn) sum[turn] += all[i][turn];
    return sum;
  };
  std::vector<uint32_t> everyone(all.size());
  for (uint32_t i = 0; i < everyone.size(); ++i) everyone[i] = i;
  const TurnCounts total = sum_of(everyone);
  const Interval interval = bootstrap_interval(
      all.size(), [&](std::span<const uint32_t> drawn) { return mean_over_turns(sum_of(drawn)); });
  result.summary = {
      {"task", "multi_if"},
      {"dialogues", dialogues.size()},
      {"headline", headline("mean of four accuracies over three turns, %", 100 * mean_over_turns(total),
                            Interval{.low = 100 * interval.low, .high = 100 * interval.high})},
      {"overall", mean_over_turns(total)}};
  for (size_t turn = 0; turn < kTurns; ++turn)
    if (total[turn].prompts > 0)
      result.summary[fmt::format("turn_{}", turn + 1)] = {{"prompts", total[turn].prompts},
                                                          {"overall", total[turn].overall()}};
  result.summary["items"] = {{"failed", asked.failures.size()}};
  return result;
}

}  // namespace poro::multi_if
