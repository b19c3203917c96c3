#include "eval/tasks/alpaca_run.h"

#include <algorithm>

#include "base/error.h"
#include "eval/python_text.h"

namespace poro::alpaca {
namespace {

constexpr double kTemperature = 0.6, kTopP = 0.9;
constexpr int64_t kAnswerTokens = 2048;
constexpr int64_t kAlternatives = 5;  // As the weighted annotator asks for.

bool is_decided_by_judge(const Annotation& row, const LanguageGate* gate) {
  return row.output_1 != row.output_2 && (gate == nullptr || gate->check(row.output_2).is_right);
}

void judge_in(Order order, RunFolder& run, const JudgeSetup& setup, std::vector<Annotation>& rows,
              Judged& judged) {
  std::vector<ChatRequest> requests;
  std::vector<size_t> places;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!is_decided_by_judge(rows[i], setup.gate)) {
      rows[i].preference = rows[i].output_1 == rows[i].output_2 ? kDraw : 1;
      continue;
    }
    // One token at temperature 1: sampling does not touch the log-probabilities, and only they count.
    requests.push_back({.messages = render(setup.prompt_template, rows[i], order),
                        .temperature = 1,
                        .max_new_tokens = 1,
                        .num_alternatives = kAlternatives});
    places.push_back(i);
  }
  const std::vector<ChatReply> replies =
      run.replies(setup.judge, order == Order::kSeeded ? "judge" : "judge, swapped", requests);
  for (size_t i = 0; i < replies.size(); ++i) {
    Annotation& row = rows[places[i]];
    const bool is_answered = replies[i].status == ChatReply::Status::kAnswered;
    row.completion = replies[i].json();
    if (is_answered) row.preference = preference(replies[i].first_token, row, order);
    if (!is_answered)
      judged.failures.push_back(fmt::format("the judge, instruction {}: {}", row.place + 1, replies[i].text));
    judged.num_without_odds += is_answered && !row.preference;
  }
}

}  // namespace

Asked ask(RunFolder& run, ChatModel& model, const std::string& name, const Outputs& baseline) {
  std::vector<ChatRequest> requests;
  for (const Output& row : baseline.rows)
    requests.push_back({.messages = {{.role = "user", .content = row.instruction}},
                        .temperature = kTemperature,
                        .top_p = kTopP,
                        .max_new_tokens = kAnswerTokens});
  const std::vector<ChatReply> replies = run.replies(model, "answer", requests);
  Asked asked;
  for (size_t i = 0; i < replies.size(); ++i) {
    const Output& row = baseline.rows[i];
    if (replies[i].status == ChatReply::Status::kAnswered)
      asked.outputs.rows.push_back({.instruction = row.instruction,
                                    .output = std::string(python::strip(replies[i].text)),
                                    .generator = name,
                                    .dataset = row.dataset});
    else
      asked.failures.push_back(fmt::format("instruction {}: {}", i + 1, replies[i].text));
  }
  if (asked.outputs.rows.empty()) fail("the model answered no instruction at all; {}", asked.failures.at(0));
  return asked;
}

Judged judge(RunFolder& run, const JudgeSetup& setup, std::vector<Annotation> pairs) {
  for (Annotation& row : pairs) row.annotator = setup.name;
  Judged judged{.rows = pairs, .swapped_rows = {}};
  if (setup.gate != nullptr)
    judged.num_wrong_language =
        static_cast<size_t>(std::count_if(pairs.begin(), pairs.end(), [&](const Annotation& row) {
          return !setup.gate->check(row.output_2).is_right;
        }));
  judge_in(Order::kSeeded, run, setup, judged.rows, judged);
  if (setup.orders == JudgeSetup::Orders::kBoth) {
    judged.swapped_rows = std::move(pairs);
    judge_in(Order::kSwapped, run, setup, judged.swapped_rows, judged);
  }
  return judged;
}

nlohmann::ordered_json judge_behaviour(const Judged& judged) {
  double sum = 0, first_place = 0;
  size_t num_both = 0, num_agreed = 0;
  for (size_t i = 0; i < judged.swapped_rows.size(); ++i) {
    const Annotation &one = judged.rows[i], &other = judged.swapped_rows[i];
    if (!one.preference || !other.preference || one.completion.is_null()) continue;
    ++num_both;
    sum += (*one.preference + *other.preference) / 2 - 1;
    num_agreed += (*one.preference > kDraw) == (*other.preference > kDraw);
    for (const auto& [row, order] : {std::pair{&one, Order::kSeeded}, std::pair{&other, Order::kSwapped}})
      first_place += is_model_first(row->instruction, order) ? *row->preference - 1 : 2 - *row->preference;
  }
  if (num_both == 0) return nullptr;
  const auto n = static_cast<double>(num_both);
  return {{"judged_in_both_orders", num_both},
          {"win_rate_over_both_orders", 100 * sum / n},
          {"agreement", static_cast<double>(num_agreed) / n},
          {"first_place_share", first_place / (2 * n)}};
}

std::vector<RunItem> items(const std::vector<Annotation>& annotations) {
  std::vector<RunItem> items;
  for (size_t i = 0; i < annotations.size(); ++i) {
    const Annotation& row = annotations[i];
    RunItem item{.id = std::to_string(i + 1), .category = row.dataset, .turns = {}, .score = {}};
    if (row.preference) item.score = *row.preference - 1;
    item.turns.push_back(
        {.prompt = row.instruction,
         .answer = row.output_2,
         .verdict = row.preference
                        ? fmt::format("preference {:.4f} (1: the baseline, 2: the model)", *row.preference)
                        : "no preference"});
    item.turns.push_back({.prompt = "(" + (row.generator_1.empty() ? "the baseline" : row.generator_1) + ")",
                          .answer = row.output_1,
                          .verdict = ""});
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace poro::alpaca
