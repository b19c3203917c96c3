// A run of one benchmark as a folder: run.json (everything needed to make it again), journal.jsonl (every
// reply as it came), and at the end items.jsonl and summary.json. The same command in the same folder goes on
// where it was stopped. Nothing in the folder depends on when or how often that was.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/chat.h"
#include "eval/journal.h"
#include "eval/statistics.h"

namespace poro {

// What a report shows of one item: an id, a score that is comparable between runs, and what was asked,
// answered and decided. Written in this form by every benchmark.
struct RunItem {
  struct Turn {
    std::string prompt, answer, verdict;
  };
  std::string id, category;
  std::vector<Turn> turns;
  std::optional<double> score;  // None: it could not be scored.

  nlohmann::ordered_json json() const;
  static RunItem from_json(const nlohmann::json& json);
};

class RunFolder {
 public:
  // Makes the folder, or opens one in which the same run was begun. `settings` is all that determines the
  // results: task, data with their hashes, models, parameters; the program's version is added. Throws Error
  // that names what differs when the folder is another run's.
  RunFolder(const std::filesystem::path& path, nlohmann::ordered_json settings);

  const std::filesystem::path& path() const { return path_; }

  // The replies to `requests`, in their order. Only those that the journal does not hold are asked for; each
  // is written as it comes. A reply that failed is not written, so running again asks again. `phase` names
  // the step ("answer", "judge"); with the request it is the key.
  std::vector<ChatReply> replies(ChatModel& model, const std::string& phase,
                                 std::span<const ChatRequest> requests);

  // The same for anything else worth keeping: the value under the key, computed when it is not there.
  nlohmann::json value(const std::string& key, const std::function<nlohmann::json()>& compute);

  // Writes items.jsonl and summary.json.
  void finish(const std::vector<RunItem>& items, const nlohmann::ordered_json& summary) const;

 private:
  std::filesystem::path path_;
  Journal journal_;
};

// The number that stands for a run in tables, on the scale of the model cards: {metric, value, interval}.
nlohmann::ordered_json headline(const std::string& metric, double value, std::optional<Interval> interval);

// {"name": ..., "sha256": ...} of a file that a run depends on.
nlohmann::ordered_json file_identity(const std::filesystem::path& path);

}  // namespace poro
