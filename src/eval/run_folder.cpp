#include "eval/run_folder.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/version.h"
#include "eval/json_lines.h"

namespace poro {
namespace {

using Json = nlohmann::ordered_json;

std::string dumped(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::filesystem::path made(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail("cannot make the folder {}: {}", path.string(), error.message());
  return path;
}

// What a killed process was writing when it was killed (AtomicFile names it so). The journal's lock says that
// no other is at it now.
void remove_partial_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> partial;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".partial") partial.push_back(entry.path());
  for (const std::filesystem::path& path : partial) std::filesystem::remove(path);
}

}  // namespace

Json RunItem::json() const {
  Json list = Json::array();
  for (const Turn& turn : turns)
    list.push_back({{"prompt", turn.prompt}, {"answer", turn.answer}, {"verdict", turn.verdict}});
  return {{"id", id}, {"category", category}, {"score", score ? Json(*score) : Json()}, {"turns", list}};
}

RunItem RunItem::from_json(const nlohmann::json& json) {
  try {
    RunItem item{.id = json.at("id"), .category = json.at("category"), .turns = {}, .score = {}};
    if (!json.at("score").is_null()) item.score = json.at("score").get<double>();
    for (const nlohmann::json& turn : json.at("turns"))
      item.turns.push_back(
          {.prompt = turn.at("prompt"), .answer = turn.at("answer"), .verdict = turn.at("verdict")});
    return item;
  } catch (const nlohmann::json::exception&) {
    fail("an item of a run is not as this program writes it; make the run again");
  }
}

RunFolder::RunFolder(const std::filesystem::path& path, Json settings)
    : path_(made(path)), journal_(path / "journal.jsonl") {
  remove_partial_files(path);
  settings["poro"] = version();
  const std::filesystem::path file = path / "run.json";
  if (!std::filesystem::exists(file)) {
    write_file_atomic(file, dumped(settings, 2));
    return;
  }
  const nlohmann::json stored = read_json(file), wanted = settings;
  const nlohmann::json difference = nlohmann::json::diff(stored, wanted);
  if (difference.empty()) return;
  const std::string where = difference[0].at("path");
  const nlohmann::json::json_pointer pointer(where);
  const auto shown = [&](const nlohmann::json& json) {
    return json.contains(pointer) ? json[pointer].dump() : std::string("nothing");
  };
  fail("{} holds another run: {} was {} and is now {}; name another folder, or repeat the first command",
       path.string(), where.substr(1), shown(stored), shown(wanted));
}

std::vector<ChatReply> RunFolder::replies(ChatModel& model, const std::string& phase,
                                          std::span<const ChatRequest> requests) {
  std::vector<ChatReply> replies(requests.size());
  std::vector<std::string> keys;
  std::vector<size_t> places;
  std::vector<ChatRequest> missing;
  for (size_t i = 0; i < requests.size(); ++i) {
    keys.push_back(
        fmt::format("{}/{}/{}", phase, i,
                    sha256(requests[i].json().dump(-1, ' ', false, Json::error_handler_t::replace))));
    if (const nlohmann::json* known = journal_.find(keys[i])) {
      replies[i] = ChatReply::from_json(*known);
    } else {
      places.push_back(i);
      missing.push_back(requests[i]);
    }
  }
  if (missing.empty()) return replies;
  Progress progress(phase, requests.size(), ProgressUnit::kItems);
  progress.skip(requests.size() - missing.size());
  model.answer(missing, [&](size_t i, ChatReply reply) {
    const size_t place = places[i];
    if (reply.status == ChatReply::Status::kAnswered) journal_.add(keys[place], reply.json());
    replies[place] = std::move(reply);
    progress.add(1);
  });
  return replies;
}

nlohmann::json RunFolder::value(const std::string& key, const std::function<nlohmann::json()>& compute) {
  if (const nlohmann::json* known = journal_.find(key)) return *known;
  nlohmann::json value = compute();
  journal_.add(key, value);
  return value;
}

void RunFolder::finish(const std::vector<RunItem>& items, const Json& summary) const {
  std::string lines;
  for (const RunItem& item : items) lines += dumped(item.json(), -1);
  write_file_atomic(path_ / "items.jsonl", lines);
  write_file_atomic(path_ / "summary.json", dumped(summary, 2));
}

Json headline(const std::string& metric, double value, std::optional<Interval> interval) {
  return {{"metric", metric},
          {"value", value},
          {"interval", interval ? Json{interval->low, interval->high} : Json()}};
}

Json file_identity(const std::filesystem::path& path) {
  return {{"name", path.filename().string()}, {"sha256", sha256(read_file(path))}};
}

}  // namespace poro
