#include "eval/report/runs.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "eval/json_lines.h"

namespace poro::report {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::pair<std::string, std::string>> kTasks = {
    {"ifeval", "IFEval"},       {"mtbench", "MT-Bench"},
    {"alpaca", "AlpacaEval 2"}, {"pairwise", "Pairwise"},
    {"arc", "ARC Challenge"},   {"hellaswag", "HellaSwag"},
    {"mmlu", "MMLU"},           {"truthfulqa", "TruthfulQA mc2"},
    {"gsm8k", "GSM8K"},         {"translation", "Translation"},
    {"multi_if", "Multi-IF"},   {"perplexity", "Perplexity"},
    {"fertility", "Fertility"}};
const std::vector<std::pair<std::string, std::string>> kLanguages = {
    {"fi", "Finnish"}, {"en", "English"}, {"en-fi", "English to Finnish"}, {"fi-en", "Finnish to English"}};

std::string title_of(const std::vector<std::pair<std::string, std::string>>& titles,
                     const std::string& name) {
  for (const auto& [key, title] : titles)
    if (key == name) return title;
  return name;
}

// The wanted names in the order of `titles`, then the others.
std::vector<std::string> in_order(const std::vector<std::pair<std::string, std::string>>& titles,
                                  std::span<const Run> runs, std::string Run::*member) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const auto& title : titles)
    if (std::any_of(runs.begin(), runs.end(), [&](const Run& run) { return run.*member == title.first; }))
      add(title.first);
  for (const Run& run : runs) add(run.*member);
  return names;
}

const Run* find_run(std::span<const Run> runs, const std::string& task, const std::string& language,
                    const std::string& model) {
  for (const Run& run : runs)
    if (run.task == task && run.language == language && run.model == model) return &run;
  return nullptr;
}

std::string cell(const Run::Headline& headline) {
  std::string text = fmt::format("{:.2f}", headline.value);
  if (headline.interval)
    text += fmt::format(" [{:.2f}, {:.2f}]", headline.interval->low, headline.interval->high);
  return text;
}

// What the makers of Poro 2 average: IFEval and AlpacaEval in percent and ten times MT-Bench.
std::string makers_average(std::span<const Run> runs, const std::string& language, const std::string& model) {
  double sum = 0;
  for (const char* task : {"ifeval", "mtbench", "alpaca"}) {
    const Run* run = find_run(runs, task, language, model);
    if (run == nullptr) return "–";
    sum += run->headline.value * (run->task == "mtbench" ? 10 : 1);
  }
  return fmt::format("{:.2f}", sum / 3);
}

Table language_table(std::span<const Run> runs, const std::string& language) {
  std::vector<std::string> models;
  for (const std::string& model : in_order({}, runs, &Run::model))
    if (std::any_of(runs.begin(), runs.end(),
                    [&](const Run& run) { return run.language == language && run.model == model; }))
      models.push_back(model);
  Table table{.title = language_title(language), .note = {}, .header = {"", "metric"}, .rows = {}};
  table.header.insert(table.header.end(), models.begin(), models.end());
  bool has_average = false;
  for (const std::string& task : in_order(kTasks, runs, &Run::task)) {
    std::vector<std::string> row = {task_title(task), ""};
    bool is_used = false;
    for (const std::string& model : models) {
      const Run* run = find_run(runs, task, language, model);
      row.push_back(run == nullptr ? "–" : cell(run->headline));
      if (run == nullptr) continue;
      is_used = true;
      row[1] = row[1].empty() || row[1] == run->headline.metric ? run->headline.metric : "several";
    }
    if (is_used) table.rows.push_back(std::move(row));
  }
  std::vector<std::string> average = {"Average", "(IFEval + 10 × MT-Bench + AlpacaEval 2) / 3"};
  for (const std::string& model : models) {
    average.push_back(makers_average(runs, language, model));
    has_average = has_average || average.back() != "–";
  }
  if (has_average) table.rows.push_back(std::move(average));
  table.note = "95 % intervals in brackets.";
  return table;
}

// Scores of the items that both runs have, in the same order.
struct Paired {
  std::vector<double> a, b;
};
Paired paired_scores(const Run& a, const Run& b) {
  std::map<std::string_view, double> scores;
  for (const RunItem& item : b.items)
    if (item.score) scores[item.id] = *item.score;
  Paired paired;
  for (const RunItem& item : a.items) {
    const auto found = scores.find(item.id);
    if (!item.score || found == scores.end()) continue;
    paired.a.push_back(*item.score);
    paired.b.push_back(found->second);
  }
  return paired;
}

Table paired_table(std::span<const Run> runs) {
  Table table{
      .title = "Paired comparisons",
      .note =
          "Item by item on the same data; p by the paired permutation test. Below 0.05 the difference is "
          "unlikely to be chance.",
      .header = {"benchmark", "language", "models", "items", "difference", "p"},
      .rows = {}};
  for (size_t i = 0; i < runs.size(); ++i)
    for (size_t j = i + 1; j < runs.size(); ++j) {
      const Run &a = runs[i], &b = runs[j];
      const bool is_same = a.task == b.task && a.language == b.language && a.model != b.model &&
                           a.settings.value("data", Json()) == b.settings.value("data", Json());
      if (!is_same) continue;
      const Paired paired = paired_scores(a, b);
      if (paired.a.empty()) continue;
      table.rows.push_back({task_title(a.task), language_title(a.language), a.model + " − " + b.model,
                            std::to_string(paired.a.size()),
                            fmt::format("{:+.4f}", mean(paired.a) - mean(paired.b)),
                            fmt::format("{:.4f}", paired_p_value(paired.a, paired.b))});
    }
  return table;
}

std::string percent(const Json& value) {
  return value.is_number() ? fmt::format("{:.1f} %", 100 * value.get<double>()) : "–";
}

Table judge_table(std::span<const Run> runs) {
  Table table{
      .title = "Judges",
      .note =
          "Agreement: the verdict stays when the answers change places. First place: how often the answer "
          "shown first is preferred; 50 % is no bias.",
      .header = {"benchmark", "language", "model", "judge", "agreement", "first place"},
      .rows = {}};
  for (const Run& run : runs) {
    const Json behaviour = run.summary.value("judge_behaviour", Json());
    if (!behaviour.is_object()) continue;
    table.rows.push_back({task_title(run.task), language_title(run.language), run.model,
                          run.summary.value("judge", ""), percent(behaviour["agreement"]),
                          percent(behaviour["first_place_share"])});
  }
  return table;
}

// Everything a summary counts about its inputs that is not zero.
Table input_table(std::span<const Run> runs) {
  Table table{
      .title = "Inputs with something wrong",
      .note = "Each is left out of the scores or counted against the model, as docs/evaluation.md says.",
      .header = {"benchmark", "language", "model", "what", "count"},
      .rows = {}};
  const std::vector<std::string> kHarmless = {"questions"};
  for (const Run& run : runs)
    for (const char* part : {"answers", "outputs", "judgments", "annotations", "items"}) {
      const Json counts = run.summary.value(part, Json());
      if (!counts.is_object()) continue;
      for (const auto& [what, count] : counts.items())
        if (count.is_number_integer() && count != 0 &&
            std::find(kHarmless.begin(), kHarmless.end(), what) == kHarmless.end())
          table.rows.push_back({task_title(run.task), language_title(run.language), run.model,
                                fmt::format("{}: {}", part, what), count.dump()});
    }
  return table;
}

Table run_table(std::span<const Run> runs) {
  Table table{.title = "Runs",
              .note = {},
              .header = {"folder", "benchmark", "language", "model", "weights", "judge", "poro"},
              .rows = {}};
  for (const Run& run : runs) {
    const Json model = run.settings.value("model", Json::object());
    table.rows.push_back({run.folder, task_title(run.task), language_title(run.language), run.model,
                          model.value("weights", std::string("–")).substr(0, 12),
                          run.summary.value("judge", "–"), run.settings.value("poro", "–")});
  }
  return table;
}

// How often each of IFEval's instruction types was followed, strictly and loosely.
Table type_table(std::span<const Run> runs, const std::string& language) {
  Table table{.title = "IFEval by type, " + language_title(language),
              .note = "Shares of the instructions of a type that were followed: strict / loose.",
              .header = {"type", "instructions"},
              .rows = {}};
  std::map<std::string, std::vector<std::string>> rows;
  std::map<std::string, std::string> counts;
  size_t num_models = 0;
  for (const Run& run : runs) {
    if (run.task != "ifeval" || run.language != language) continue;
    table.header.push_back(run.model);
    const Json types = run.summary.value("types", Json::object());
    for (const auto& [type, numbers] : types.items()) {
      std::vector<std::string>& cells = rows[type];
      cells.resize(num_models, "–");
      cells.push_back(
          fmt::format("{:.2f} / {:.2f}", numbers.value("strict_acc", 0.0), numbers.value("loose_acc", 0.0)));
      counts[type] = std::to_string(numbers.value("instructions", 0));
    }
    ++num_models;
  }
  for (auto& [type, cells] : rows) {
    cells.resize(num_models, "–");
    cells.insert(cells.begin(), {type, counts[type]});
    table.rows.push_back(std::move(cells));
  }
  return table;
}

}  // namespace

std::string task_title(const std::string& task) {
  return title_of(kTasks, task);
}

std::string language_title(const std::string& code) {
  return title_of(kLanguages, code);
}

std::vector<std::pair<std::string, double>> Run::categories() const {
  std::vector<std::string> order;
  std::map<std::string, std::vector<double>> values;
  const auto add = [&](const std::string& category, double value) {
    if (!values.contains(category)) order.push_back(category);
    values[category].push_back(value);
  };
  const Json types = summary.value("types", Json::object());
  for (const auto& [type, numbers] : types.items())
    for (size_t i = 0; i < numbers.at("instructions"); ++i)
      add(type.substr(0, type.find(':')), numbers.at("loose_acc"));
  for (const RunItem& item : items)
    if (types.empty() && item.score && !item.category.empty()) add(item.category, *item.score);
  std::vector<std::pair<std::string, double>> means;
  means.reserve(order.size());
  for (const std::string& category : order) means.emplace_back(category, mean(values[category]));
  return means;
}

Run read_run(const std::filesystem::path& folder) {
  for (const char* file : {"run.json", "summary.json", "items.jsonl"})
    if (!std::filesystem::exists(folder / file))
      fail("{} holds no finished run ({} is missing); repeat its command until it ends", folder.string(),
           file);
  Run run{.folder = folder.filename().empty() ? folder.parent_path().filename().string()
                                              : folder.filename().string(),
          .task = {},
          .language = {},
          .model = {},
          .settings = read_json(folder / "run.json"),
          .summary = read_json(folder / "summary.json"),
          .items = {},
          .headline = {}};
  try {
    run.task = run.summary.at("task");
    run.language = run.settings.value("language", "en");
    run.model = run.summary.at("model");
    const Json& headline = run.summary.at("headline");
    run.headline = {.metric = headline.at("metric"), .value = headline.at("value"), .interval = {}};
    if (headline.contains("interval") && headline["interval"].is_array())
      run.headline.interval = Interval{.low = headline["interval"].at(0), .high = headline["interval"].at(1)};
  } catch (const nlohmann::json::exception&) {
    fail("{}: summary.json is not as this program writes it; repeat the run's command", folder.string());
  }
  for (const JsonLines::Line& line : read_whole_json_lines(folder / "items.jsonl").lines)
    run.items.push_back(RunItem::from_json(line.json));
  return run;
}

std::vector<Table> tables(std::span<const Run> runs) {
  std::vector<Table> tables;
  for (const std::string& language : in_order(kLanguages, runs, &Run::language))
    tables.push_back(language_table(runs, language));
  std::vector<Table> others = {paired_table(runs), judge_table(runs), input_table(runs)};
  for (const std::string& language : in_order(kLanguages, runs, &Run::language))
    others.push_back(type_table(runs, language));
  others.push_back(run_table(runs));
  for (Table& table : others)
    if (!table.rows.empty()) tables.push_back(std::move(table));
  return tables;
}

std::vector<Chart> charts(std::span<const Run> runs) {
  std::vector<Chart> charts;
  for (const std::string& task : in_order(kTasks, runs, &Run::task))
    for (const std::string& language : in_order(kLanguages, runs, &Run::language)) {
      Chart chart{.title = task_title(task) + ", " + language_title(language),
                  .axes = {},
                  .series = {},
                  .maximum = task == "mtbench" ? 10.0 : 1.0};
      for (const Run& run : runs) {
        if (run.task != task || run.language != language) continue;
        const auto categories = run.categories();
        if (chart.axes.empty())
          for (const auto& [name, value] : categories) chart.axes.push_back(name);
        Chart::Series series{.name = run.model, .values = std::vector<double>(chart.axes.size(), 0.0)};
        for (const auto& [name, value] : categories) {
          const auto axis = std::find(chart.axes.begin(), chart.axes.end(), name);
          if (axis != chart.axes.end()) series.values[static_cast<size_t>(axis - chart.axes.begin())] = value;
          chart.maximum = std::max(chart.maximum, value);
        }
        chart.series.push_back(std::move(series));
      }
      if (chart.axes.size() > 1) charts.push_back(std::move(chart));
    }
  return charts;
}

}  // namespace poro::report
