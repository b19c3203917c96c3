#include "eval/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace poro {

Journal::Journal(const std::filesystem::path& path) : path_(path) {
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) fail("cannot open {}: {}", path.string(), std::strerror(errno));
  try {
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0)
      fail("{} is in use by another process; wait for it, or name another folder", path.string());
    const std::string content = read_file(path);
    size_ = read_lines(content);
    if (size_ < content.size() && ::ftruncate(fd_, static_cast<off_t>(size_)) != 0)
      fail("cannot cut the half-written line off {}: {}", path.string(), std::strerror(errno));
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

Journal::~Journal() {
  ::close(fd_);
}

// Returns where the last whole line ends.
size_t Journal::read_lines(std::string_view content) {
  size_t at = 0, number = 0;
  for (size_t end; (end = content.find('\n', at)) != std::string_view::npos; at = end + 1) {
    ++number;
    nlohmann::json line = nlohmann::json::parse(content.substr(at, end - at), nullptr, false);
    const bool is_entry =
        line.is_object() && line.contains("key") && line["key"].is_string() && line.contains("value");
    if (!is_entry)
      fail("{}, line {}, is no result of a run; remove the line to have it made again", path_.string(),
           number);
    entries_[line["key"]] = std::move(line["value"]);
  }
  return at;
}

const nlohmann::json* Journal::find(const std::string& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

void Journal::add(const std::string& key, nlohmann::json value) {
  const nlohmann::ordered_json entry = {{"key", key}, {"value", value}};
  const std::string line =
      entry.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    rest.remove_prefix(static_cast<size_t>(written));
  }
  if (!rest.empty() || ::fdatasync(fd_) != 0) {
    const int reason = errno;
    const int ignored = ::ftruncate(fd_, static_cast<off_t>(size_));
    static_cast<void>(ignored);  // The next start cuts the line off all the same.
    fail("cannot write to {}: {}; what is in it is kept, make room and run the same command again",
         path_.string(), std::strerror(reason));
  }
  size_ += line.size();
  entries_[key] = std::move(value);
}

}  // namespace poro
