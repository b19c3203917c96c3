// Results as they come, on disk: one JSON line each, appended and synced before the next. A process that is
// killed loses at most the line it was writing, and the next one goes on behind the last whole line.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>

namespace poro {

class Journal {
 public:
  // Opens or makes the file, reads its lines and cuts off one that was left half written. Throws Error when
  // another process holds it or a line within it is broken.
  explicit Journal(const std::filesystem::path& path);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // What was written under the key; null when nothing was.
  const nlohmann::json* find(const std::string& key) const;
  // Throws Error when it cannot be written (a full disk); nothing of it is left then.
  void add(const std::string& key, nlohmann::json value);

 private:
  size_t read_lines(std::string_view content);

  std::filesystem::path path_;
  int fd_ = -1;
  std::unordered_map<std::string, nlohmann::json> entries_;
  size_t size_ = 0;  // Bytes of whole lines.
};

}  // namespace poro
