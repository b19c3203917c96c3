#include "train/jsonl_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

namespace poro {
namespace {

// The whole lines of the steps before `next_step`.
std::string kept_lines(const std::string& content, int64_t next_step) {
  std::string kept;
  for (size_t at = 0; at < content.size();) {
    const size_t end = content.find('\n', at);
    if (end == content.npos) break;  // A line that was being written when the run was killed.
    const auto line = nlohmann::ordered_json::parse(content.substr(at, end - at), nullptr, false);
    if (line.is_object() && (!line.contains("step") || line["step"].get<int64_t>() < next_step))
      kept += content.substr(at, end + 1 - at);
    at = end + 1;
  }
  return kept;
}

}  // namespace

JsonlLog::JsonlLog(std::filesystem::path path, int64_t next_step) : path_(std::move(path)) {
  if (std::filesystem::exists(path_)) {
    const std::string content = read_file(path_), kept = kept_lines(content, next_step);
    if (kept != content) write_file_atomic(path_, kept);
  }
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) fail("cannot write {}: {}", path_.string(), std::strerror(errno));
}

JsonlLog::~JsonlLog() {
  ::close(fd_);
}

void JsonlLog::write(const nlohmann::ordered_json& line) {
  waiting_ += line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  const ssize_t written = ::write(fd_, waiting_.data(), waiting_.size());
  if (written > 0) waiting_.erase(0, static_cast<size_t>(written));
  if (!waiting_.empty() && !has_warned_) {
    warn("cannot write {}: {}; lines are kept until there is room", path_.string(), std::strerror(errno));
    has_warned_ = true;
  }
}

}  // namespace poro
