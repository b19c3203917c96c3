#include "eval/reply_cache.h"

#include <sqlite3.h>

#include "base/digest.h"
#include "base/error.h"

namespace poro {
namespace {

constexpr int kBusyMs = 30000;  // Another process may be writing.

}  // namespace

struct ReplyCache::Database {
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close(handle); }
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Close>;

  explicit Database(const std::filesystem::path& path) : name(path.string()) {
    if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
    sqlite3* opened = nullptr;
    const int code = sqlite3_open(name.c_str(), &opened);
    handle.reset(
        opened);  // There is one to close and to ask for the reason, even when it could not be opened.
    check(code);
    sqlite3_busy_timeout(handle.get(), kBusyMs);
    execute("PRAGMA journal_mode=WAL");
    execute(
        "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, request TEXT NOT NULL, reply TEXT NOT "
        "NULL)");
    select = prepare("SELECT reply FROM replies WHERE key = ? AND request = ?");
    insert = prepare("INSERT OR REPLACE INTO replies VALUES (?, ?, ?)");
  }

  void check(int code) const {
    if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
    fail("the cache of replies {} cannot be used ({}); name another file, or remove it", name,
         sqlite3_errmsg(handle.get()));
  }
  void execute(const char* statement) const {
    check(sqlite3_exec(handle.get(), statement, nullptr, nullptr, nullptr));
  }
  Statement prepare(const char* text) const {
    sqlite3_stmt* statement = nullptr;
    check(sqlite3_prepare_v2(handle.get(), text, -1, &statement, nullptr));
    return Statement(statement);
  }
  static void bind(sqlite3_stmt* statement, int place, const std::string& text) {
    sqlite3_bind_text(statement, place, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  }

  std::string name;
  std::unique_ptr<sqlite3, Close> handle;
  Statement select, insert;  // Gone before the handle, which cannot be closed while it has statements.
};

ReplyCache::ReplyCache(const std::filesystem::path& path) : database_(std::make_unique<Database>(path)) {}

ReplyCache::~ReplyCache() = default;

std::optional<std::string> ReplyCache::find(const std::string& request) {
  const std::lock_guard lock(mutex_);
  sqlite3_stmt* select = database_->select.get();
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
  sqlite3_stmt* insert = database_->insert.get();
  Database::bind(insert, 1, sha256(request));
  Database::bind(insert, 2, request);
  Database::bind(insert, 3, reply);
  const int code = sqlite3_step(insert);
  sqlite3_reset(insert);
  database_->check(code);
}

}  // namespace poro
