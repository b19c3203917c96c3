// Replies of servers on disk, keyed by the whole request, so that nothing is bought twice. An SQLite file
// that several processes may share.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace poro {

class ReplyCache {
 public:
  // Makes the file when there is none. Throws Error when it is no such cache.
  explicit ReplyCache(const std::filesystem::path& path);
  ~ReplyCache();

  // Both are safe from any thread. `request` is everything the reply depends on. Throw Error (a full disk).
  std::optional<std::string> find(const std::string& request);
  void store(const std::string& request, const std::string& reply);

 private:
  struct Database;
  std::unique_ptr<Database> database_;
  std::mutex mutex_;
};

}  // namespace poro
