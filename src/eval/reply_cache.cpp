#include "eval/reply_cache.h"

#include <sqlite3.h>

#include "base/digest.h"
#include "base/error.h"

namespace poro {
namespace {

constexpr int kBusyMs = 30000;  // Another process may be writing.

}  // namespace

struct ReplyCache::Database {
  explicit Database(const std::filesystem::path& path) : name(path.string()) {
    if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
    check(sqlite3_open(name.c_str(), &handle));
    sqlite3_busy_timeout(handle, kBusyMs);
    execute("PRAGMA journal_mode=WAL");
    execute(
        "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, request TEXT NOT NULL, reply TEXT NOT "
        "NULL)");
    check(sqlite3_prepare_v2(handle, "SELECT reply FROM replies WHERE key = ? AND request = ?", -1, &select,
                             nullptr));
    check(
        sqlite3_prepare_v2(handle, "INSERT OR REPLACE INTO replies VALUES (?, ?, ?)", -1, &insert, nullptr));
  }
  ~Database() {
    sqlite3_finalize(select);
    sqlite3_finalize(insert);
    sqlite3_close(handle);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void check(int code) const {
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
    fail("the cache of replies {} cannot be used ({}); name another file, or remove it", name,
         sqlite3_errmsg(handle));
  }
  void execute(const char* statement) const {
    check(sqlite3_exec(handle, statement, nullptr, nullptr, nullptr));
  }
  static void bind(sqlite3_stmt* statement, int place, const std::string& text) {
    sqlite3_bind_text(statement, place, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  }

  std::string name;
  sqlite3* handle = nullptr;
  sqlite3_stmt *select = nullptr, *insert = nullptr;
};

ReplyCache::ReplyCache(const std::filesystem::path& path) : database_(std::make_unique<Database>(path)) {}

ReplyCache::~ReplyCache() = default;

std::optional<std::string> ReplyCache::find(const std::string& request) {
  const std::lock_guard lock(mutex_);
  sqlite3_stmt* select = database_->select;
  Database::bind(select, 1, sha256(request));
  Database::bind(select, 2, request);
  const int code = sqlite3_step(select);
  std::optional<std::string> reply;
  if (code == SQLITE_ROW)
    reply.emplace(reinterpret_cast<const char*>(sqlite3_column_text(select, 0)),
                  static_cast<size_t>(sqlite3_column_bytes(select, 0)));
  sqlite3_reset(select);
  database_->check(code);
  return reply;
}

void ReplyCache::store(const std::string& request, const std::string& reply) {
  const std::lock_guard lock(mutex_);
  sqlite3_stmt* insert = database_->insert;
  Database::bind(insert, 1, sha256(request));
  Database::bind(insert, 2, request);
  Database::bind(insert, 3, reply);
  const int code = sqlite3_step(insert);
  sqlite3_reset(insert);
  database_->check(code);
}

}  // namespace poro
