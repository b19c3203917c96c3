// A file of JSON lines that a run adds to, one for each step or event. A run that goes on from a checkpoint
// first drops what came after it, so that every step is there once. A full disk keeps lines waiting, and the
// run goes on.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace poro {

class JsonlLog {
 public:
  // Keeps the lines of steps before `next_step` (those without "step" stay), and appends. Throws Error if the
  // file cannot be written.
  JsonlLog(std::filesystem::path path, int64_t next_step);
  ~JsonlLog();
  JsonlLog(const JsonlLog&) = delete;
  JsonlLog& operator=(const JsonlLog&) = delete;

  void write(const nlohmann::ordered_json& line);

 private:
  std::filesystem::path path_;
  std::string waiting_;
  bool has_warned_ = false;
  int fd_ = -1;
};

}  // namespace poro
