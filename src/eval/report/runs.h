// Finished runs as a report sees them, and what can be said of them together: tables, charts, and which
// differences between models are more than chance.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/run_folder.h"
#include "eval/statistics.h"

namespace poro::report {

struct Run {
  std::string folder, task, language, model;
  nlohmann::ordered_json settings, summary;
  std::vector<RunItem> items;

  // The number that stands for the run, on the scale of the model cards, with its 95 % interval.
  struct Headline {
    std::string metric;
    double value;
    std::optional<Interval> interval;
  };
  Headline headline;
  // The mean score of each category's items, in the order of first appearance. IFEval's prompts are of
  // several kinds at once, so there it is the loose accuracy of each kind of instruction.
  std::vector<std::pair<std::string, double>> categories() const;
};

// Reads a run folder. Throws Error when the run is not finished.
Run read_run(const std::filesystem::path& folder);

struct Table {
  std::string title, note;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};
// The tables of the model cards per language, the other benchmarks, the paired tests, how the judges behaved,
// what was wrong with inputs, and IFEval's types.
std::vector<Table> tables(std::span<const Run> runs);

// Several models' values over the same axes.
struct Chart {
  std::string title;
  std::vector<std::string> axes;
  struct Series {
    std::string name;
    std::vector<double> values;  // One per axis.
  };
  std::vector<Series> series;
  double maximum;
};
// One per task and language that has categories.
std::vector<Chart> charts(std::span<const Run> runs);

// The names of tasks and languages for people: "MT-Bench", "Finnish".
std::string task_title(const std::string& task);
std::string language_title(const std::string& code);

}  // namespace poro::report
