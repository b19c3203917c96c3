#include "eval/tasks/alpaca.h"

#include <cmath>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "eval/fill.h"
#include "eval/json_lines.h"
#include "eval/python_random.h"
#include "eval/python_text.h"
#include "eval/statistics.h"

namespace poro::alpaca {
namespace {

std::string text_or_empty(const nlohmann::json& row, const char* name) {
  const auto found = row.find(name);
  return found != row.end() && found->is_string() ? found->get<std::string>() : "";
}

std::optional<double> read_preference(const nlohmann::json& row) {
  const auto found = row.find("preference");
  if (found == row.end() || !found->is_number()) return std::nullopt;
  const double value = *found;
  if (value == 0) return kDraw;  // How early annotations write a draw.
  return value >= 1 && value <= 2 ? std::optional(value) : std::nullopt;
}

// The rows of a JSON array of objects, each with its place for errors.
template <class Row>
void for_each_row(const std::filesystem::path& path, const Row& row) {
  const nlohmann::json array = read_json(path);
  if (!array.is_array() || array.empty()) fail("{} is no JSON array of rows", path.string());
  for (size_t i = 0; i < array.size(); ++i) {
    const std::string where = fmt::format("{}, row {}", path.string(), i + 1);
    if (!array[i].is_object()) fail("{} is no object", where);
    row(array[i], where);
  }
}

std::string dumped(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

Outputs read_outputs(const std::filesystem::path& path) {
  Outputs outputs;
  std::unordered_map<std::string, size_t> places;
  for_each_row(path, [&](const nlohmann::json& json, const std::string& where) {
    Output row{.instruction = text_member(json, "instruction", where),
               .output = json.contains("output") ? text_member(json, "output", where) : "",
               .generator = text_or_empty(json, "generator"),
               .dataset = text_or_empty(json, "dataset")};
    const auto [place, is_new] = places.try_emplace(row.instruction, outputs.rows.size());
    if (is_new) {
      outputs.rows.push_back(std::move(row));
    } else {
      outputs.rows[place->second] = std::move(row);
      ++outputs.num_repeated;
    }
  });
  return outputs;
}

void write_outputs(const std::filesystem::path& path, const std::vector<Output>& outputs) {
  nlohmann::ordered_json array = nlohmann::ordered_json::array();
  for (const Output& row : outputs)
    array.push_back({{"dataset", row.dataset},
                     {"instruction", row.instruction},
                     {"output", row.output},
                     {"generator", row.generator}});
  write_file_atomic(path, dumped(array));
}

Annotations read_annotations(const std::filesystem::path& path) {
  Annotations annotations;
  std::unordered_map<std::string, size_t> places;
  for_each_row(path, [&](const nlohmann::json& json, const std::string& where) {
    Annotation row{.place = annotations.rows.size(),
                   .dataset = text_or_empty(json, "dataset"),
                   .instruction = text_member(json, "instruction", where),
                   .output_1 = text_member(json, "output_1", where),
                   .generator_1 = text_or_empty(json, "generator_1"),
                   .output_2 = text_member(json, "output_2", where),
                   .generator_2 = text_or_empty(json, "generator_2"),
                   .annotator = text_or_empty(json, "annotator"),
                   .preference = read_preference(json),
                   .completion = json.value("raw_completion", nlohmann::json())};
    if (!annotations.rows.empty() && row.generator_2 != annotations.rows[0].generator_2)
      fail(
          "{} judges \"{}\", the rows before it \"{}\"; put the annotations of each model into a file of "
          "their own",
          where, row.generator_2, annotations.rows[0].generator_2);
    const auto [found, is_new] = places.try_emplace(row.instruction, row.place);
    if (is_new) {
      annotations.rows.push_back(std::move(row));
    } else {
      row.place = found->second;
      annotations.rows[found->second] = std::move(row);
      ++annotations.num_repeated;
    }
  });
  return annotations;
}

void write_annotations(const std::filesystem::path& path, const std::vector<Annotation>& annotations) {
  nlohmann::ordered_json array = nlohmann::ordered_json::array();
  for (const Annotation& row : annotations)
    array.push_back({{"dataset", row.dataset},
                     {"instruction", row.instruction},
                     {"output_1", row.output_1},
                     {"generator_1", row.generator_1},
                     {"output_2", row.output_2},
                     {"generator_2", row.generator_2},
                     {"annotator", row.annotator},
                     {"preference", row.preference ? nlohmann::ordered_json(*row.preference) : nullptr},
                     {"raw_completion", row.completion}});
  write_file_atomic(path, dumped(array));
}

Pairs pair_up(const Outputs& baseline, const Outputs& model) {
  std::unordered_map<std::string_view, const Output*> answers;
  for (const Output& row : model.rows) answers[row.instruction] = &row;
  Pairs pairs;
  for (const Output& row : baseline.rows) {
    const auto found = answers.find(row.instruction);
    if (found == answers.end()) {
      ++pairs.num_missing;
      continue;
    }
    pairs.rows.push_back({.place = static_cast<size_t>(&row - baseline.rows.data()),
                          .dataset = row.dataset,
                          .instruction = row.instruction,
                          .output_1 = row.output,
                          .generator_1 = row.generator,
                          .output_2 = found->second->output,
                          .generator_2 = found->second->generator,
                          .annotator = {},
                          .preference = {},
                          .completion = {}});
  }
  if (pairs.rows.empty())
    fail(
        "none of the {} answers belongs to any of the baseline's {} instructions; are they of the same "
        "language?",
        model.rows.size(), baseline.rows.size());
  pairs.num_unknown = model.rows.size() - pairs.rows.size();
  return pairs;
}

bool is_model_first(const std::string& instruction, Order order) {
  return python::Random("is_switched_outputs" + instruction + "0").coin() == (order == Order::kSeeded);
}

std::vector<Message> render(const std::string& prompt_template, const Annotation& pair, Order order) {
  constexpr std::string_view kStart = "<|im_start|>", kEnd = "<|im_end|>";
  const bool is_switched = is_model_first(pair.instruction, order);
  const Gaps gaps = {{"instruction", pair.instruction},
                     {"output_1", is_switched ? pair.output_2 : pair.output_1},
                     {"output_2", is_switched ? pair.output_1 : pair.output_2}};
  std::vector<Message> messages;
  const std::vector<std::string_view> parts = python::split(prompt_template, kStart);
  for (size_t i = 1; i < parts.size(); ++i) {
    const size_t line_end = parts[i].find('\n');
    if (line_end == std::string_view::npos) continue;
    const std::string_view content = python::split(parts[i].substr(line_end + 1), kEnd).front();
    messages.push_back({.role = std::string(python::strip(parts[i].substr(0, line_end))),
                        .content = fill(python::strip(content), gaps)});
  }
  if (messages.empty())
    fail("the judge's prompt holds no message; it must have the form {}role ... {}", kStart, kEnd);
  return messages;
}

std::optional<double> preference(const std::vector<ChatReply::TokenChance>& first_token,
                                 const Annotation& pair, Order order) {
  const double kMissing = -std::numeric_limits<double>::infinity();
  double first = kMissing, second = kMissing;
  for (const ChatReply::TokenChance& chance : first_token) {
    if (chance.token == "m") first = chance.log_prob;
    if (chance.token == "M") second = chance.log_prob;
  }
  if (first == kMissing && second == kMissing) return std::nullopt;
  if (pair.output_1 == pair.output_2) return kDraw;
  // 2 minus the first answer's share of the two probabilities.
  const double chosen = 2 - 1 / (1 + std::exp(second - first));
  return is_model_first(pair.instruction, order) ? 3 - chosen : chosen;
}

Scores grade(const std::vector<Annotation>& annotations) {
  Scores scores{};
  std::vector<double> values, discrete;
  double characters = 0;
  for (const Annotation& row : annotations) {
    characters += static_cast<double>(python::characters(row.output_2).size());
    if (!row.preference) {
      ++scores.num_without_preference;
      continue;
    }
    const double value = *row.preference - 1;
    values.push_back(value);
    discrete.push_back(value == 0.5 ? 0.5 : value > 0.5 ? 1 : 0);
    scores.num_wins += value > 0.5;
    scores.num_losses += value < 0.5;
    scores.num_draws += value == 0.5;
  }
  if (values.empty()) fail("no annotation holds a preference, so there is no win rate");
  scores.num_total = values.size();
  scores.win_rate = 100 * mean(values);
  scores.standard_error = 100 * standard_error(values);
  scores.discrete_win_rate = 100 * mean(discrete);
  scores.average_length = characters / static_cast<double>(annotations.size());
  return scores;
}

}  // namespace poro::alpaca
