#include "eval/tasks/ifeval.h"

#include <algorithm>
#include <array>
#include <map>
#include <unordered_set>

#include "base/error.h"
#include "base/file.h"
#include "eval/json_lines.h"
#include "eval/python_text.h"
#include "eval/statistics.h"

namespace poro::ifeval {
namespace {

// The answer and what loose grading also takes for it.
std::array<std::string, 8> variants(const std::string& answer) {
  const size_t first = answer.find('\n'), last = answer.rfind('\n');
  const bool is_one_line = first == std::string::npos;
  const std::string_view all = answer;
  const std::string without_first(
      python::strip(is_one_line ? all.substr(all.size()) : all.substr(first + 1)));
  const std::string without_last(python::strip(is_one_line ? all.substr(all.size()) : all.substr(0, last)));
  const std::string without_both(python::strip(
      is_one_line || first == last ? all.substr(all.size()) : all.substr(first + 1, last - first - 1)));
  const auto without_stars = [](const std::string& text) { return python::replace(text, "*", ""); };
  return {answer,
          without_stars(answer),
          without_first,
          without_last,
          without_both,
          without_stars(without_first),
          without_stars(without_last),
          without_stars(without_both)};
}

bool is_blank(const std::string& text) {
  return python::strip(text).empty();
}

bool all_of(const std::vector<bool>& follows) {
  return std::find(follows.begin(), follows.end(), false) == follows.end();
}

struct Follows {
  bool strict, loose;
};

struct Count {
  size_t total = 0, strict = 0, loose = 0;
  void add(Follows follows) {
    ++total;
    strict += follows.strict;
    loose += follows.loose;
  }
};

// The answer of each prompt; null where there is none.
struct Matching {
  std::vector<const std::string*> answers;
  size_t num_missing = 0, num_unknown = 0, num_by_place = 0;
};

Matching match(const std::vector<Prompt>& prompts, const Answers& answers) {
  std::unordered_set<std::string_view> known;
  for (const Prompt& prompt : prompts) known.insert(prompt.text);
  const bool same_length = prompts.size() == answers.prompts.size();
  Matching matching;
  size_t num_by_prompt = 0;
  for (size_t place = 0; place < prompts.size(); ++place) {
    auto found = answers.by_prompt.find(prompts[place].text);
    num_by_prompt += found != answers.by_prompt.end();
    if (found == answers.by_prompt.end() && same_length && !known.contains(answers.prompts[place])) {
      found = answers.by_prompt.find(answers.prompts[place]);
      ++matching.num_by_place;
    }
    matching.num_missing += found == answers.by_prompt.end();
    matching.answers.push_back(found == answers.by_prompt.end() ? nullptr : &found->second);
  }
  if (num_by_prompt == 0)
    fail("none of the {} answers belongs to any of the {} prompts; are they answers to this prompt file?",
         answers.by_prompt.size(), prompts.size());
  matching.num_unknown = answers.by_prompt.size() - num_by_prompt - matching.num_by_place;
  return matching;
}

double share(size_t part, size_t total) {
  return static_cast<double>(part) / static_cast<double>(total);
}

nlohmann::ordered_json interval(size_t part, size_t total) {
  const auto [low, high] = wilson_interval({.successes = part, .trials = total});
  return {low, high};
}

// What the model cards show: loose, by prompt.
nlohmann::ordered_json card_number(size_t part, size_t total) {
  const auto [low, high] = wilson_interval({.successes = part, .trials = total});
  return headline("prompt-level loose accuracy, %", 100 * share(part, total),
                  Interval{.low = 100 * low, .high = 100 * high});
}

}  // namespace

Prompt read_prompt(const nlohmann::json& row, const std::string& where, const Setting& setting) {
  Prompt prompt;
  prompt.key = row.value("key", nlohmann::json());
  prompt.text = text_member(row, "prompt", where);
  const nlohmann::json ids = row.value("instruction_id_list", nlohmann::json());
  const nlohmann::json arguments = row.value("kwargs", nlohmann::json());
  if (!ids.is_array() || !arguments.is_array() || ids.size() != arguments.size() || ids.empty())
    fail("{}: \"instruction_id_list\" and \"kwargs\" must be lists of the same length, 1 or more", where);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!ids[i].is_string() || !(arguments[i].is_object() || arguments[i].is_null()))
      fail("{}: instruction {} must be a name with an object of arguments", where, i + 1);
    const std::string id = ids[i];
    prompt.instruction_ids.push_back(id);
    prompt.checks.push_back(make_check(id, Arguments(arguments[i], where + ", " + id), setting));
  }
  return prompt;
}

std::vector<Prompt> load(const std::filesystem::path& path, const Language& language, Models& models) {
  std::vector<Prompt> prompts;
  for (const JsonLines::Line& line : read_whole_json_lines(path).lines)
    prompts.push_back(
        read_prompt(line.json, fmt::format("{}, line {}", path.string(), line.number), {language, models}));
  if (prompts.empty()) fail("{} holds no prompts", path.string());
  return prompts;
}

const std::string& render(const Prompt& prompt) {
  return prompt.text;
}

Verdict grade(const Prompt& prompt, const std::string& answer) {
  Verdict verdict;
  const std::array<std::string, 8> texts = variants(answer);
  for (const Check& follows : prompt.checks) {
    const auto chance = [&](const std::string& text) { return is_blank(text) ? 0 : follows(text); };
    const double strict = chance(answer);
    double none_passes = 1;
    for (size_t i = 0; i < texts.size() && none_passes > 0; ++i)
      none_passes *= 1 - (i == 0 ? strict : chance(texts[i]));
    verdict.strict.push_back(strict > 0.5);
    verdict.loose.push_back(none_passes < 0.5);
  }
  return verdict;
}

std::string verdict_text(const Prompt& prompt, const Verdict& verdict) {
  std::string text;
  for (size_t i = 0; i < prompt.instruction_ids.size(); ++i)
    text += fmt::format("{}: strict {}, loose {}\n", prompt.instruction_ids[i],
                        verdict.strict[i] ? "yes" : "no", verdict.loose[i] ? "yes" : "no");
  return text;
}

Answers read_answers(const std::filesystem::path& path) {
  JsonLines lines = read_json_lines(path);
  Answers answers;
  answers.num_blank_lines = lines.num_blank;
  answers.broken = std::move(lines.broken);
  for (const JsonLines::Line& line : lines.lines) {
    const auto prompt = line.json.find("prompt"), response = line.json.find("response");
    const bool is_whole = prompt != line.json.end() && prompt->is_string() && response != line.json.end() &&
                          response->is_string();
    if (!is_whole) {
      answers.broken.push_back(
          fmt::format("{}, line {}, has no texts \"prompt\" and \"response\"", path.string(), line.number));
      continue;
    }
    answers.prompts.push_back(*prompt);
    answers.num_repeated +=
        !answers.by_prompt.insert_or_assign(prompt->get<std::string>(), response->get<std::string>()).second;
  }
  return answers;
}

Graded grade_all(const std::vector<Prompt>& prompts, const Answers& answers, const Language& language) {
  Graded graded;
  Count per_prompt, per_instruction;
  std::map<std::string, Count> per_type;
  const Matching matching = match(prompts, answers);
  for (size_t place = 0; place < prompts.size(); ++place) {
    const Prompt& prompt = prompts[place];
    const std::string* answer = matching.answers[place];
    Result result{.prompt = &prompt, .answer = answer == nullptr ? "" : *answer, .verdict = {}};
    result.verdict = grade(prompt, result.answer);
    per_prompt.add({.strict = all_of(result.verdict.strict), .loose = all_of(result.verdict.loose)});
    for (size_t i = 0; i < prompt.checks.size(); ++i) {
      const Follows follows{.strict = result.verdict.strict[i], .loose = result.verdict.loose[i]};
      per_instruction.add(follows);
      per_type[prompt.instruction_ids[i]].add(follows);
    }
    graded.results.push_back(std::move(result));
  }
  const size_t p = per_prompt.total, n = per_instruction.total;
  nlohmann::ordered_json& summary = graded.summary;
  summary["task"] = "ifeval";
  summary["language"] = language.code;
  summary["prompts"] = p;
  summary["instructions"] = n;
  summary["prompt_level_strict_acc"] = share(per_prompt.strict, p);
  summary["inst_level_strict_acc"] = share(per_instruction.strict, n);
  summary["prompt_level_loose_acc"] = share(per_prompt.loose, p);
  summary["inst_level_loose_acc"] = share(per_instruction.loose, n);
  summary["prompt_level_strict_interval"] = interval(per_prompt.strict, p);
  summary["prompt_level_loose_interval"] = interval(per_prompt.loose, p);
  summary["headline"] = card_number(per_prompt.loose, p);
  for (const auto& [id, count] : per_type)
    summary["types"][id] = {{"instructions", count.total},
                            {"strict_acc", share(count.strict, count.total)},
                            {"loose_acc", share(count.loose, count.total)}};
  summary["answers"] = {{"missing", matching.num_missing},        {"repeated", answers.num_repeated},
                        {"unknown_prompt", matching.num_unknown}, {"matched_by_place", matching.num_by_place},
                        {"blank_lines", answers.num_blank_lines}, {"broken_lines", answers.broken.size()}};
  return graded;
}

std::vector<RunItem> items(const std::vector<Result>& results) {
  std::vector<RunItem> items;
  for (size_t place = 0; place < results.size(); ++place) {
    const Result& result = results[place];
    const std::string& first = result.prompt->instruction_ids[0];
    items.push_back({.id = std::to_string(place + 1),
                     .category = first.substr(0, first.find(':')),
                     .turns = {{.prompt = result.prompt->text,
                                .answer = result.answer,
                                .verdict = verdict_text(*result.prompt, result.verdict)}},
                     .score = all_of(result.verdict.loose) ? 1 : 0});
  }
  return items;
}

void write_results(const std::vector<Result>& results, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  for (const char* name : {"strict", "loose"}) {
    std::string lines;
    for (const Result& result : results) {
      const std::vector<bool>& follows = name[0] == 's' ? result.verdict.strict : result.verdict.loose;
      const nlohmann::ordered_json line = {{"follow_all_instructions", all_of(follows)},
                                           {"follow_instruction_list", follows},
                                           {"instruction_id_list", result.prompt->instruction_ids},
                                           {"prompt", result.prompt->text},
                                           {"response", result.answer}};
      lines += line.dump() + "\n";
    }
    write_file_atomic(folder / (std::string(name) + ".jsonl"), lines);
  }
}

}  // namespace poro::ifeval
